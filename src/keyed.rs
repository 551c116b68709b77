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
pub struct KeyedHash {
    sip: SipHasher24,
    /// What is not hashed yet: one long write costs much less than many short ones.
    buffer: [u8; BUFFER_BYTES],
    filled: usize,
}

const BUFFER_BYTES: usize = 128;

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
        let sip = SipHasher24::new_with_keys(self.key.0, self.key.1);
        let mut hash = KeyedHash { sip, buffer: [0; BUFFER_BYTES], filled: 0 };
        hash.part(purpose.as_bytes());
        hash
    }
}

impl KeyedHash {
    /// Adds one part, with its length in front.
    pub fn part(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u64);
        self.add(bytes);
        self
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.add(&number.to_le_bytes());
        self
    }

    /// The 128-bit result.
    #[must_use]
    pub fn finish(&self) -> u128 {
        let mut sip = self.sip;
        sip.write(self.buffer.get(..self.filled).unwrap_or_default());
        sip.finish128().as_u128()
    }

    fn add(&mut self, bytes: &[u8]) {
        if let Some(room) = self.buffer.get_mut(self.filled..self.filled + bytes.len()) {
            room.copy_from_slice(bytes);
            self.filled += bytes.len();
        } else {
            self.sip.write(self.buffer.get(..self.filled).unwrap_or_default());
            self.sip.write(bytes);
            self.filled = 0;
        }
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

    /// Gathering changes nothing: the hash is that of all bytes in one write.
    #[test]
    fn what_is_gathered_hashes_like_one_write() {
        let keyed = Keyed { key: (1, 2) };
        let bytes: Vec<u8> = (0..=255).cycle().take(700).collect();
        for first in [0, 1, 80, 95, 96, 97, 103, 104, 105, 127, 128, 129, 300] {
            for second in [0, 1, 64, 127, 128, 350] {
                let parts = [&b"t"[..], &bytes[..first], &bytes[first..first + second]];
                let mut whole = Vec::new();
                for part in parts {
                    whole.extend_from_slice(&(part.len() as u64).to_le_bytes());
                    whole.extend_from_slice(part);
                }
                let mut plain = SipHasher24::new_with_keys(1, 2);
                plain.write(&whole);
                let gathered = keyed.start("t").part(parts[1]).part(parts[2]).finish();
                assert_eq!(gathered, plain.finish128().as_u128(), "{first} {second}");
            }
        }
    }
}
