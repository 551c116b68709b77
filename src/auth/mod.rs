//! Who is asking: from the credentials field to a [`Principal`], or a challenge.
//!
//! RFC 9110 section 11 (framework), RFC 7617 (Basic), RFC 7616 (Digest).
//!
//! The way of a credential, one step a file: [`grammar`] (syntax) → [`basic`] or [`digest`] (values)
//! → [`users`] (who is known) → [`verdicts`] (a password hashed once, off the async threads) or
//! [`nonces`] (each count once) → [`Principal`]. What fails on the way is a [`Rejection`] that
//! carries what [`challenge`] writes.
//!
//! # Deviations
//!
//! - A scheme without any source of users is not offered: a client picks the first challenge that
//!   it understands and would fail for ever (RFC 9110 section 11.6.1 leaves the choice to us).
//! - `-sess` algorithms and `qop=auth-int` are not offered (RFC 7616 section 3.3 leaves both open).
//! - No `Authentication-Info` is sent (RFC 7616 section 3.5: MAY).

mod authenticator;
pub mod basic;
pub mod challenge;
pub mod digest;
pub mod grammar;
pub mod nonces;
mod offers;
pub mod revocations;
pub mod users;
pub mod verdicts;
mod words;

pub use authenticator::Authenticator;
pub use words::{Answer, Outcome, Presented, Principal, Recognised, Rejection, Scheme, Unverified};

#[cfg(test)]
mod tests;
