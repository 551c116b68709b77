//! `$apr1$`: a thousand rounds of MD5, as Apache's htpasswd writes without options.
//!
//! No RFC describes it; it is the scheme of FreeBSD's MD5 crypt with another magic.
//!
//! # Deviations
//!
//! none

use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

const MAGIC: &[u8] = b"$apr1$";
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Which three octets of the digest make the next four characters.
const ORDER: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];

/// A parsed `$apr1$salt$hash`.
#[derive(Clone, PartialEq, Eq)]
pub struct Apr1 {
    salt: Box<[u8]>,
    hash: [u8; 22],
}

impl Apr1 {
    /// Reads the text of a hash: a salt of at most eight characters, then 22 of hash.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (salt, hash) = text.strip_prefix("$apr1$")?.split_once('$')?;
        let is_hash = hash.bytes().all(|b| ALPHABET.contains(&b));
        let is_salt = salt.len() <= 8 && salt.bytes().all(|b| b.is_ascii_graphic());
        (is_hash && is_salt).then_some(Self { salt: salt.as_bytes().into(), hash: hash.as_bytes().try_into().ok()? })
    }

    /// Is this the password? The comparison takes the same time wherever the two differ.
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        encode(&compute(password, &self.salt)).ct_eq(&self.hash).into()
    }
}

fn compute(password: &[u8], salt: &[u8]) -> Zeroizing<[u8; 16]> {
    let inner =
        Zeroizing::new(<[u8; 16]>::from(Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize()));
    let mut hasher = Md5::new().chain_update(password).chain_update(MAGIC).chain_update(salt);
    for part in password.chunks(16) {
        hasher.update(inner.get(..part.len()).unwrap_or_default());
    }
    // The scheme's quirk: one octet a bit of the length, zero or the password's first.
    let mut length = password.len();
    while length > 0 {
        hasher.update(if length & 1 == 1 { &[0][..] } else { password.get(..1).unwrap_or_default() });
        length >>= 1;
    }
    let mut digest = Zeroizing::new(<[u8; 16]>::from(hasher.finalize()));
    for round in 0..1000 {
        *digest = compute_round(round, password, salt, &digest);
    }
    digest
}

fn compute_round(round: u32, password: &[u8], salt: &[u8], digest: &[u8; 16]) -> [u8; 16] {
    let is_odd = round % 2 == 1;
    let mut hasher = Md5::new();
    hasher.update(if is_odd { password } else { digest.as_slice() });
    if !round.is_multiple_of(3) {
        hasher.update(salt);
    }
    if !round.is_multiple_of(7) {
        hasher.update(password);
    }
    hasher.update(if is_odd { digest.as_slice() } else { password });
    hasher.finalize().into()
}

/// Six bits a character, lowest first, in the scheme's own order of octets.
fn encode(digest: &[u8; 16]) -> [u8; 22] {
    let octet = |at: usize| digest.get(at).copied().map_or(0, u32::from);
    let groups = ORDER.into_iter().map(|[high, middle, low]| octet(high) << 16 | octet(middle) << 8 | octet(low));
    let characters = groups.chain([octet(11)]).flat_map(|group| (0..4).map(move |at| group >> (6 * at) & 63));
    let mut text = [b'.'; 22];
    for (to, value) in text.iter_mut().zip(characters) {
        *to = ALPHABET.get(value as usize).copied().unwrap_or(b'.');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_made_by_openssl_are_verified() {
        for (password, hash) in [
            ("secret", "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/"),
            ("", "$apr1$x$tMwYqBfQwi3FYAr0aJc8M/"),
            ("a", "$apr1$12345678$68ZQVfPkWX/wcXr/41VxQ."),
            ("Circle Of Life", "$apr1$ab$Oc35lR1hS6mzQy/iSeT0R/"),
            ("0123456789abcdef", "$apr1$zzzz$T0GK.uhrfe193oFsW6n63."),
            ("0123456789abcdefg0123456789abcdefg0123456789abcdefg", "$apr1$zzzz$70mhqmJ2iaPNGTVXGG3HO0"),
            ("pässwörd", "$apr1$q$vXJjvCqd9b5PP.QbhGzB40"),
            ("open sesame", "$apr1$./AZ09az$9u6Tstqh3DAqd24HL/J8R."),
        ] {
            let parsed = Apr1::parse(hash).unwrap();
            assert!(parsed.verify(password.as_bytes()), "{hash}");
            for wrong in ["", "secre", "secretx", "Secret"] {
                assert!(wrong == password || !parsed.verify(wrong.as_bytes()), "{hash} {wrong}");
            }
        }
    }

    #[test]
    fn what_is_not_apr1_is_refused() {
        for text in [
            "",
            "$apr1$",
            "$1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/",
            "$apr1$abcdefghi$h9FWgUz3n9YxylKLlR5SQ/",
            "$apr1$a$h9F",
            "$apr1$a$h9FWgUz3n9YxylKLlR5S!/",
            "$apr1$a$h9FWgUz3n9YxylKLlR5SQ/x",
        ] {
            assert!(Apr1::parse(text).is_none(), "{text}");
        }
    }
}
