//! PRELOGIN and LOGIN7.

use super::Encryption;

/// What the client says first.
pub struct PreLogin {
    /// ENCRYPT_OFF 0, ON 1, NOT_SUP 2, REQ 3.
    encryption: u8,
    federated: bool,
}

/// What is agreed on encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreed {
    Nothing,
    LoginOnly,
    Everything,
}

impl PreLogin {
    pub fn parse(message: &[u8]) -> Self {
        let mut found = Self { encryption: 2, federated: false };
        for option in message.chunks(5).take_while(|option| option[0] != 0xff) {
            let value = message[usize::from(u16::from_be_bytes([option[1], option[2]]))];
            match option[0] {
                1 => found.encryption = value,
                6 => found.federated = value != 0,
                _ => {}
            }
        }
        found
    }

    pub fn agree(&self, server: Encryption) -> Agreed {
        match (server, self.encryption) {
            (Encryption::Unsupported, _) | (Encryption::Offered, 2) => Agreed::Nothing,
            (Encryption::Offered, 0) => Agreed::LoginOnly,
            _ => Agreed::Everything,
        }
    }

    /// The server's PRELOGIN.
    pub fn answer(&self, agreed: Agreed) -> Vec<u8> {
        let encryption = match agreed {
            Agreed::Nothing => 2,
            Agreed::LoginOnly => 0,
            Agreed::Everything => 1,
        };
        let mut options = vec![
            (0, vec![16, 0, 0x10, 0, 0, 0]),
            (1, vec![encryption]),
            (2, vec![0]),
            (3, vec![]),
            (4, vec![0]),
        ];
        if self.federated {
            options.push((6, vec![1]));
        }
        let (mut head, mut values) = (Vec::new(), Vec::<u8>::new());
        for (kind, value) in &options {
            head.push(*kind);
            head.extend(u16::try_from(options.len() * 5 + 1 + values.len()).unwrap().to_be_bytes());
            head.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            values.extend(value);
        }
        head.push(0xff);
        head.extend(values);
        head
    }
}

/// Who logs in.
#[derive(Debug)]
pub struct Login {
    pub user: String,
    pub password: String,
    pub database: String,
    pub server_name: String,
    pub packet_size: usize,
    pub token: Option<String>,
    /// `ApplicationIntent=ReadOnly`: an availability group may send the login on to a readable secondary.
    pub reads_only: bool,
}

impl Login {
    pub fn parse(message: &[u8]) -> Self {
        let packet_size = u32::from_le_bytes(message[8..12].try_into().unwrap()) as usize;
        let password: Vec<u8> = field(message, 2).iter().map(|byte| (byte ^ 0xa5).rotate_left(4)).collect();
        Self {
            user: text(field(message, 1)),
            password: text(&password),
            database: text(field(message, 8)),
            server_name: text(field(message, 4)),
            packet_size: if packet_size == 0 { 4_096 } else { packet_size.clamp(512, 32_767) },
            reads_only: message[26] & 0x20 != 0,
            token: if message[27] & 0x10 == 0 { None } else { token(message) },
        }
    }
}

/// The offset and length pairs begin at byte 36.
fn field(message: &[u8], index: usize) -> &[u8] {
    let at = |byte: usize| usize::from(u16::from_le_bytes([message[byte], message[byte + 1]]));
    let (start, length) = (at(36 + index * 4), at(38 + index * 4));
    &message[start..start + length * 2]
}

/// FEDAUTH among the extended features.
fn token(message: &[u8]) -> Option<String> {
    let extension = usize::from(u16::from_le_bytes([message[56], message[57]]));
    let number = |at: usize| u32::from_le_bytes(message[at..at + 4].try_into().unwrap()) as usize;
    let mut at = number(extension);
    while message[at] != 0xff {
        let length = number(at + 1);
        if message[at] == 2 {
            return Some(text(&message[at + 10..at + 10 + number(at + 6)]));
        }
        at += 5 + length;
    }
    None
}

pub fn text(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units)
}
