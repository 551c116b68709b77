//! The unkeyed hash of Digest, in the hex form that its formulas work with.
//!
//! RFC 7616 section 3.3 (`H`, `KD`), section 6.1 (algorithms).
//!
//! # Deviations
//!
//! none

use md5::Md5;
use sha2::{Sha256, Sha512_256};
use subtle::ConstantTimeEq as _;

use crate::config::settings::DigestAlgorithm;

/// A hash in lower-case hex, as the formulas concatenate it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HexHash {
    text: [u8; 64],
    length: usize,
}

impl std::fmt::Debug for HexHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HexHash(***)")
    }
}

impl HexHash {
    /// Reads the hex form of a hash of this algorithm, in either case.
    #[must_use]
    pub fn parse(algorithm: DigestAlgorithm, text: &str) -> Option<Self> {
        // Each octet is looked at, whatever the others are: that is done many at a time.
        let is_hex = || text.bytes().fold(true, |all, byte| all & byte.is_ascii_hexdigit());
        if text.len() != hex_length(algorithm) || !is_hex() {
            return None;
        }
        let mut hash = Self { text: [0; 64], length: text.len() };
        for (to, from) in hash.text.iter_mut().zip(text.bytes()) {
            *to = from.to_ascii_lowercase();
        }
        Some(hash)
    }

    /// All zeros: what a digest of an unknown user is compared against, for the same work.
    #[must_use]
    pub fn zero(algorithm: DigestAlgorithm) -> Self {
        Self { text: [b'0'; 64], length: hex_length(algorithm) }
    }

    /// The digits.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.length).unwrap_or_default()
    }

    /// Equality in a time that does not depend on where the two differ.
    ///
    /// Source: RFC 7616 section 3.6 (the server repeats the computation and compares).
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        self.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

/// The name of an algorithm on the wire.
///
/// Source: RFC 7616 section 6.1.
#[must_use]
pub fn algorithm_name(algorithm: DigestAlgorithm) -> &'static str {
    match algorithm {
        DigestAlgorithm::Sha256 => "SHA-256",
        DigestAlgorithm::Sha512_256 => "SHA-512-256",
        DigestAlgorithm::Md5 => "MD5",
    }
}

/// `H` over parts joined by colons, the only way the formulas join them (RFC 7616 section 3.3).
pub(super) fn compute_hash(algorithm: DigestAlgorithm, parts: &[&[u8]]) -> HexHash {
    match algorithm {
        DigestAlgorithm::Sha256 => hash_parts::<Sha256>(parts),
        DigestAlgorithm::Sha512_256 => hash_parts::<Sha512_256>(parts),
        DigestAlgorithm::Md5 => hash_parts::<Md5>(parts),
    }
}

fn hash_parts<D: sha2::Digest>(parts: &[&[u8]]) -> HexHash {
    let mut hasher = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hasher.update(b":");
        }
        hasher.update(part);
    }
    let octets = hasher.finalize();
    let mut hash = HexHash { text: [0; 64], length: octets.len() * 2 };
    for (to, from) in hash.text.chunks_exact_mut(2).zip(octets.iter()) {
        to.copy_from_slice(&[lower_hex(from >> 4), lower_hex(from & 15)]);
    }
    hash
}

const fn lower_hex(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

fn hex_length(algorithm: DigestAlgorithm) -> usize {
    match algorithm {
        DigestAlgorithm::Sha256 | DigestAlgorithm::Sha512_256 => 64,
        DigestAlgorithm::Md5 => 32,
    }
}
