//! How long a service asks to wait before the next request.

use std::time::Duration;

use azure_core::http::headers::HeaderName;
use chrono::{DateTime, NaiveDateTime, Utc};

const RETRY_AFTER: HeaderName = HeaderName::from_static("retry-after");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("x-ms-retry-after-ms");
const DATE: HeaderName = HeaderName::from_static("date");

/// The forms of a date in HTTP: that of today, and the two older ones that are still to be read (RFC 9110, 5.6.7).
const DATES: [&str; 3] = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

/// The wait that an answer asks for, by its headers: milliseconds, else seconds, else until a date. A date counts from the
/// service's own clock, if the answer says what that is.
pub(super) fn retry_after<'a>(header: impl Fn(&HeaderName) -> Option<&'a str>) -> Option<Duration> {
    let milliseconds = header(&RETRY_AFTER_MS).and_then(|text| text.trim().parse().ok());
    milliseconds.map(Duration::from_millis).or_else(|| {
        let text = header(&RETRY_AFTER)?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let until = date(text)?;
        let now = header(&DATE).and_then(date).unwrap_or_else(Utc::now);
        // A date that has passed asks for no wait of its own; the caller backs off.
        Some((until - now).to_std().unwrap_or_default())
    })
}

fn date(text: &str) -> Option<DateTime<Utc>> {
    let read = |form: &&str| NaiveDateTime::parse_from_str(text.trim(), form).ok();
    DATES.iter().find_map(read).map(|date| date.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&str, &str)]) -> Option<Duration> {
        retry_after(|name| {
            headers.iter().find(|(header, _)| *header == name.as_str()).map(|(_, value)| *value)
        })
    }

    #[test]
    fn a_wait_is_asked_for_in_milliseconds_in_seconds_or_until_a_date() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:07 GMT");
        for (headers, seconds) in [
            (&[("retry-after", "7")][..], Some(7)),
            (&[("retry-after", " 120 "), date], Some(120)),
            (&[("x-ms-retry-after-ms", "3000"), ("retry-after", "7")], Some(3)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), date], Some(30)),
            (&[("retry-after", "Sunday, 06-Nov-94 08:49:37 GMT"), date], Some(30)),
            (&[("retry-after", "Sun Nov  6 08:49:37 1994"), date], Some(30)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:48:37 GMT"), date], Some(0)),
            // Without the service's clock this machine's counts, and that date has passed.
            (&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], Some(0)),
            (&[("retry-after", "soon"), date], None),
            (&[("retry-after", "-1"), date], None),
            (&[date], None),
        ] {
            assert_eq!(asked(headers), seconds.map(Duration::from_secs), "{headers:?}");
        }
        let in_a_minute = (Utc::now() + Duration::from_mins(1)).format(DATES[0]).to_string();
        let asked = asked(&[("retry-after", &in_a_minute)]).unwrap();
        assert!((55..=60).contains(&asked.as_secs()), "{asked:?}");
    }
}
