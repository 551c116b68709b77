//! RFC 9110 section 5.6.7, read character by character; nothing of the project is used.

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Seconds since 1970 of a date in one of the three forms, letters in any case (RFC 9111 section 4.2).
pub(crate) fn date(text: &str, now: i64) -> Option<i64> {
    let text = text.to_ascii_lowercase();
    imf_fixdate(&text).or_else(|| asctime(&text)).or_else(|| rfc850(&text, now))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(text: &str) -> Option<i64> {
    let shape = text.len() == 29
        && text.is_ascii()
        && &text[3..5] == ", "
        && &text[25..] == " gmt"
        && &text[7..8] == " "
        && &text[11..12] == " "
        && &text[16..17] == " ";
    (shape && is_short_day(&text[..3]))
        .then(|| time(digits(&text[12..16])?, &text[8..11], digits(&text[5..7])?, &text[17..25]))?
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(text: &str) -> Option<i64> {
    let shape = text.len() == 24 && text.is_ascii() && [3, 7, 10, 19].iter().all(|at| &text[*at..=*at] == " ");
    let day = || text[8..10].strip_prefix(' ').map_or_else(|| digits(&text[8..10]), digits);
    (shape && is_short_day(&text[..3])).then(|| time(digits(&text[20..])?, &text[4..7], day()?, &text[11..19]))?
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc850(text: &str, now: i64) -> Option<i64> {
    let (day, rest) = text.split_once(", ")?;
    let shape = rest.len() == 22
        && rest.is_ascii()
        && &rest[2..3] == "-"
        && &rest[6..7] == "-"
        && &rest[9..10] == " "
        && &rest[18..] == " gmt";
    if !shape || !DAYS.contains(&day) {
        return None;
    }
    let in_year = |year: i64| time(year, &rest[3..6], digits(&rest[..2])?, &rest[10..18]);
    let two_digits = digits(&rest[7..9])?;
    // "MUST interpret a timestamp that appears to be more than 50 years in the future as representing the most recent
    // year in the past that had the same last two digits"
    let this_year = (1970..).find(|year| days_until(*year + 1) * 86400 > now)?;
    let year = this_year / 100 * 100 + two_digits;
    let fifty_years_on = now + (days_until(this_year + 50) - days_until(this_year)) * 86400;
    if in_year(year)? > fifty_years_on { in_year(year - 100) } else { in_year(year) }
}

fn is_short_day(text: &str) -> bool {
    DAYS.iter().any(|day| &day[..3] == text)
}

fn digits(text: &str) -> Option<i64> {
    text.chars().all(|c| c.is_ascii_digit()).then(|| text.parse().ok())?
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && year % 100 != 0 || year % 400 == 0
}

/// Days from 1970 to the first of January of a year.
fn days_until(year: i64) -> i64 {
    let past = year - 1;
    let leaps = |year: i64| year / 4 - year / 100 + year / 400;
    (year - 1970) * 365 + leaps(past) - leaps(1969)
}

fn time(year: i64, month: &str, day: i64, clock: &str) -> Option<i64> {
    let month = MONTHS.iter().position(|name| *name == month)?;
    let length = |month: usize| match month {
        1 => 28 + i64::from(is_leap(year)),
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let [hour, minute, second] = parts.as_slice() else { return None };
    let (hour, minute, second) = (digits(hour)?, digits(minute)?, digits(second)?);
    if day < 1 || day > length(month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days: i64 = days_until(year) + (0..month).map(length).sum::<i64>() + day - 1;
    Some(days * 86400 + hour * 3600 + minute * 60 + second)
}

/// The three forms of a time, for the generator.
pub(crate) fn write(time: i64, form: u64) -> String {
    let days = time.div_euclid(86400);
    let (clock, name) = (time.rem_euclid(86400), DAYS[usize::try_from((days + 3).rem_euclid(7)).unwrap()]);
    let year = (1900..).find(|year| days_until(*year + 1) > days).unwrap();
    let mut day = days - days_until(year);
    let mut month = 0;
    let length = |month: usize| [31, 28 + i64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month];
    while day >= length(month) {
        day -= length(month);
        month += 1;
    }
    let capital = |text: &str| text[..1].to_ascii_uppercase() + &text[1..];
    let (month, long, day) = (capital(MONTHS[month]), capital(name), day + 1);
    let (short, clock) = (&long[..3], format!("{:02}:{:02}:{:02}", clock / 3600, clock / 60 % 60, clock % 60));
    match form {
        0 => format!("{long}, {day:02}-{month}-{:02} {clock} GMT", year % 100),
        1 => format!("{short} {month} {day:2} {clock} {year}"),
        _ => format!("{short}, {day:02} {month} {year} {clock} GMT"),
    }
}
