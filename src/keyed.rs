//! Keyed hashes: how a credential, a key or a name is remembered without being kept.
//!
//! One pseudo-random function (SipHash-2-4, 128 bit) under a key that is random per process. What
//! leaves the process (the access log) is therefore not linkable across restarts.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

/// Makes 128-bit keyed hashes; a clone makes the same ones.
#[derive(Clone, Copy)]
pub struct Keyed {
    key: (u64, u64),
}

/// A keyed hash under construction; every part is length-prefixed, so that no two lists of parts
/// collide by moving a boundary.
#[derive(Clone)]
pub struct KeyedHash(SipHasher24);

impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyed(***)")
    }
}

impl Keyed {
    /// A hasher under a fresh random key.
    ///
    /// # Errors
    ///
    /// The operating system's random source could not be read.
    pub fn random() -> Result<Self, getrandom::Error> {
        Ok(Self { key: (getrandom::u64()?, getrandom::u64()?) })
    }

    /// Starts a hash for one purpose; hashes made for different purposes never coincide.
    #[must_use]
    pub fn start(&self, purpose: &'static str) -> KeyedHash {
        let mut hash = KeyedHash(SipHasher24::new_with_keys(self.key.0, self.key.1));
        hash.part(purpose.as_bytes());
        hash
    }
}

impl KeyedHash {
    /// Adds one part, with its length in front.
    pub fn part(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.write_u64(bytes.len() as u64);
        self.0.write(bytes);
        self
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.0.write_u64(number);
        self
    }

    /// The 128-bit result.
    #[must_use]
    pub fn finish(&self) -> u128 {
        self.0.finish128().as_u128()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let keyed = Keyed::random().unwrap();
        let ab_c = keyed.start("t").part(b"ab").part(b"c").finish();
        let a_bc = keyed.start("t").part(b"a").part(b"bc").finish();
        assert_ne!(ab_c, a_bc);
        assert_ne!(keyed.start("t").part(b"x").finish(), keyed.start("u").part(b"x").finish());
        assert_ne!(ab_c, Keyed::random().unwrap().start("t").part(b"ab").part(b"c").finish());
        assert_eq!(format!("{keyed:?}"), "Keyed(***)");
    }
}
