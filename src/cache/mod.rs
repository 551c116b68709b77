//! The shared cache: key, stored responses, the rules of RFC 9111, the memory tier.
//!
//! [`lookup`] decides what a stored response is worth to a request, [`rules`] hold the reasons,
//! [`store`] keeps the bytes. Nothing here talks to the network.

pub mod admit;
pub mod confirm;
pub mod entry;
pub mod fields;
pub mod flights;
pub mod key;
pub mod lookup;
pub mod own;
pub mod ready;
pub mod rules;
pub mod second_key;
mod shared;
pub mod store;
mod words;

pub use words::{
    AuthorizationDecision, CacheResult, CanaryOutcome, FollowerOutcome, ForwardReason, PermissionReason, ValidationOutcome,
};

#[cfg(test)]
pub(crate) mod tests;
