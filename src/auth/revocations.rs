//! Users whose credentials the operator refuses from now on, right or not.
//!
//! What was remembered of a user (a verdict, a nonce) proves nothing any more once the user is revoked: this is asked last,
//! after every proof. It ends with the process.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;

/// The revoked users of all listeners.
#[derive(Debug, Default)]
pub struct Revocations {
    /// Whether there are any: a request of anybody else pays one load.
    is_any: AtomicBool,
    names: RwLock<HashSet<Arc<str>>>,
}

/// Most revoked users; there are no more in most password files.
pub const MOST_REVOKED: usize = 65_536;

impl Revocations {
    /// Refuses this user from now on; false when there is no room for another one.
    pub fn revoke(&self, name: &str) -> bool {
        let mut names = self.names.write();
        if names.len() >= MOST_REVOKED && !names.contains(name) {
            return false;
        }
        names.insert(name.into());
        self.is_any.store(true, Ordering::Release);
        true
    }

    /// Lets this user in again; false when the user was not revoked.
    pub fn lift(&self, name: &str) -> bool {
        let mut names = self.names.write();
        let was_revoked = names.remove(name);
        self.is_any.store(!names.is_empty(), Ordering::Release);
        was_revoked
    }

    /// Is this user revoked?
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.is_any.load(Ordering::Acquire) && self.names.read().contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_revoked_is_until_that_is_lifted() {
        let revocations = Revocations::default();
        assert!(!revocations.has("alice") && !revocations.lift("alice"));
        assert!(revocations.revoke("alice") && revocations.revoke("alice") && revocations.revoke("bob"));
        assert!(revocations.has("alice") && revocations.has("bob") && !revocations.has("Alice"));
        assert!(revocations.lift("alice"));
        assert!(!revocations.has("alice") && revocations.has("bob"));
        assert!(revocations.lift("bob") && !revocations.has("bob"));
    }

    #[test]
    fn there_is_a_bound() {
        let revocations = Revocations::default();
        assert!((0..MOST_REVOKED).all(|number| revocations.revoke(&number.to_string())));
        assert!(!revocations.revoke("one more") && revocations.revoke("0") && !revocations.has("one more"));
    }
}
