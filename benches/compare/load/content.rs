//! Content that says for which target and for which user it was made, in every sixteen bytes.

/// Bytes that say it once.
pub(crate) const TOKEN: usize = 16;

/// What the content for a number repeats; user 0 is everybody.
pub(crate) fn token(number: u64, user: usize) -> [u8; TOKEN] {
    let mut token = [b'0'; TOKEN];
    token[9] = b'.';
    token[15] = b'\n';
    hexadecimal(&mut token[..9], number);
    hexadecimal(&mut token[10..15], user as u64);
    token
}

fn hexadecimal(digits: &mut [u8], mut value: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value % 16) as usize];
        value /= 16;
    }
}

/// Content of a length that repeats a token.
pub(crate) fn content(token: [u8; TOKEN], bytes: usize) -> Vec<u8> {
    token.iter().copied().cycle().take(bytes).collect()
}

/// Are these bytes, so far into the content, the token again and again?
pub(crate) fn is_made_of(token: [u8; TOKEN], offset: usize, bytes: &[u8]) -> bool {
    let mut turned = token;
    turned.rotate_left(offset % TOKEN);
    let expected = u128::from_ne_bytes(turned);
    let (whole, rest) = bytes.as_chunks::<TOKEN>();
    whole.iter().all(|part| u128::from_ne_bytes(*part) == expected) && *rest == turned[..rest.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_told_from_that_of_others() {
        let made = content(token(0xabc, 7), 1000);
        assert_eq!(&made[..TOKEN], b"000000abc.00007\n");
        for (from, to) in [(0, 1000), (3, 999), (17, 18), (5, 5)] {
            assert!(is_made_of(token(0xabc, 7), from, &made[from..to]), "{from} {to}");
            assert_eq!(is_made_of(token(0xabd, 7), from, &made[from..to]), to - from < 5, "{from} {to}");
        }
        let mut spoilt = made;
        spoilt[998] ^= 1;
        assert!(!is_made_of(token(0xabc, 7), 0, &spoilt));
    }
}
