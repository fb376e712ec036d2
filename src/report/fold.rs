//! Lines that are folded at words, so that the terminal wraps none of them. Pipes and files get whole lines.

use console::measure_text_width;

/// Begins a command: where it is folded, the shell goes on reading.
const COMMAND: &str = "next: ";

/// A rule of a table is cut.
const RULE: char = '─';

/// The text with no line wider than `columns`, but for a word that is. What goes on below a line begins at `hang`.
pub(super) fn fold(text: &str, columns: usize, hang: impl Fn(&str) -> usize) -> String {
    let mut folded = String::with_capacity(text.len() + text.len() / 8);
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        if line.chars().all(|letter| matches!(letter, ' ' | RULE)) {
            folded.extend(line.chars().take(columns));
        } else {
            folded.push_str(&parts(line, columns, hang(line)).join("\n"));
        }
        folded.push_str(end);
    }
    folded
}

/// Where a line goes on: below what follows the last gap of its first half, else a little to the right of its beginning.
pub(super) fn below_last_gap(line: &str, columns: usize) -> usize {
    let begin: String = line.chars().take(columns / 2).collect();
    let indent = line.len() - line.trim_start().len();
    match begin.trim_end().rfind("  ") {
        Some(gap) if gap >= indent => begin.get(..gap + 2).map_or(indent + 2, measure_text_width),
        _ => indent + 2,
    }
}

fn parts(line: &str, columns: usize, hang: usize) -> Vec<String> {
    let goes_on = if line.starts_with(COMMAND) { " \\" } else { "" };
    // Very narrow terminals wrap what they must.
    let hang = " ".repeat(hang.min(columns / 2));
    let mut parts = Vec::new();
    let mut rest = line.to_owned();
    while measure_text_width(&rest) > columns {
        let most = columns.saturating_sub(goes_on.len());
        let Some(place) = break_at(&rest, most, !goes_on.is_empty()) else { break };
        let (first, left) = rest.split_at(place);
        let left = left.trim_start();
        if left.is_empty() {
            break;
        }
        parts.push(format!("{}{goes_on}", first.trim_end()));
        rest = format!("{hang}{left}");
    }
    parts.push(rest);
    parts
}

/// The last space at which the first part is no wider than `most`; else the first one beyond. Of a command no quoted one.
fn break_at(line: &str, most: usize, is_command: bool) -> Option<usize> {
    let begin = line.len() - line.trim_start().len();
    let (mut best, mut quote) = (None, None);
    for (place, letter) in line.char_indices().skip_while(|(place, _)| *place < begin) {
        match letter {
            '\'' | '"' if is_command && quote.is_none() => quote = Some(letter),
            letter if quote == Some(letter) => quote = None,
            ' ' if quote.is_none() => {
                let width = line.get(..place).map_or(usize::MAX, measure_text_width);
                if width > most && best.is_some() {
                    break;
                }
                best = Some(place);
                if width > most {
                    break;
                }
            }
            _ => {}
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_fits_stays_and_a_longer_one_is_folded_at_words() {
        let text = "one two three\nfour\n\nfive six";
        assert_eq!(fold(text, 13, |_| 2), text);
        assert_eq!(fold(text, 12, |_| 2), "one two\n  three\nfour\n\nfive six");
        assert_eq!(fold("a-word-that-is-long b", 8, |_| 2), "a-word-that-is-long\n  b");
        assert_eq!(fold("  a-word-that-is-long", 8, |_| 4), "  a-word-that-is-long");
        assert_eq!(fold("├─ ├─ ├─ ├─", 5, |_| 0), "├─ ├─\n├─ ├─");
        assert_eq!(fold("──  ──────\n", 5, |_| 2), "──  ─\n");
    }

    #[test]
    fn a_command_that_is_folded_can_be_pasted() {
        let folded = fold("next: do this --to 'a b c d' --and more", 20, |_| 6);
        assert_eq!(folded, "next: do this --to \\\n      'a b c d' \\\n      --and more");
    }

    #[test]
    fn a_line_of_a_table_goes_on_below_its_last_column() {
        assert_eq!(below_last_gap("      3   206  stopped at 204 of 1,250 rows", 40), 15);
        assert_eq!(below_last_gap("limit     text that is long", 60), 10);
        assert_eq!(below_last_gap("  a verification of words", 60), 4);
        assert_eq!(below_last_gap("words of which none has a gap", 60), 2);
    }
}
