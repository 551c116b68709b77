//! `Cache-Control` read a second time: slowly, a byte at a time, without a line of the parser's.
//!
//! RFC 9111 section 5.2, RFC 9110 sections 5.3 and 5.6.4.
//!
//! # Deviations
//!
//! none

/// What a reading has to say of sharing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// `public` or `must-revalidate` without an argument, or `s-maxage` with a number.
    pub(super) permits: bool,
    pub(super) no_store: bool,
    /// `private`, whatever its argument.
    pub(super) private: bool,
    pub(super) no_cache: bool,
    pub(super) must_revalidate: bool,
}

/// The members outside quoted strings, without the white space around them, and whether the last quoted string ends.
pub(super) fn members(text: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let (mut members, mut member) = (Vec::new(), Vec::new());
    let mut bytes = text.iter().copied();
    let mut quoted = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b',' if !quoted => members.push(std::mem::take(&mut member)),
            b'\\' if quoted => {
                member.push(byte);
                member.extend(bytes.next());
            }
            _ => {
                quoted ^= byte == b'"';
                member.push(byte);
            }
        }
    }
    members.push(member);
    let trimmed = |member: &Vec<u8>| {
        let blanks = |byte: &&u8| matches!(**byte, b' ' | b'\t');
        let start = member.iter().take_while(blanks).count();
        let end = member.iter().rev().take_while(blanks).count();
        member[start..(member.len() - end).max(start)].to_vec()
    };
    (members.iter().map(trimmed).filter(|member| !member.is_empty()).collect(), !quoted)
}

/// Every way to read the field: line by line, and all lines combined.
pub(super) fn readings(lines: &[&[u8]]) -> [Words; 2] {
    let by_line: Vec<Vec<u8>> = lines.iter().flat_map(|line| members(line).0).collect();
    [words(&by_line), words(&members(&lines.join(&b", "[..])).0)]
}

/// What these members say.
fn words(members: &[Vec<u8>]) -> Words {
    let mut words = Words::default();
    let mut numbers = Vec::new();
    for member in members {
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        let (name, rest) = member.split_at(member.iter().take_while(is_part).count());
        match name.to_ascii_lowercase().as_slice() {
            b"public" => words.permits |= rest.is_empty(),
            b"must-revalidate" => {
                words.must_revalidate = true;
                words.permits |= rest.is_empty();
            }
            b"s-maxage" => numbers.push(is_number(rest)),
            b"no-store" => words.no_store = true,
            b"private" => words.private = true,
            b"no-cache" => words.no_cache = true,
            _ => {}
        }
    }
    // RFC 9111 section 4.2.1: with an invalid one among them the response is stale.
    words.permits |= !numbers.is_empty() && numbers.into_iter().all(|is_number| is_number);
    words
}

/// `=` and digits, which may stand in quotes.
fn is_number(rest: &[u8]) -> bool {
    let value = rest.strip_prefix(b"=").unwrap_or_default();
    let inner = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
    !inner.is_empty() && inner.iter().all(u8::is_ascii_digit)
}
