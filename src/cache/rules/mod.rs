//! RFC 9111 as pure functions: values and `now` in, a decision with its reason out.
//!
//! One file per topic of the RFC; conditions stand in the RFC's order.

pub mod age;
pub mod authorization;
pub mod canary;
pub mod collapse;
pub mod directives;
pub mod freshness;
pub mod groups;
pub mod invalidate;
pub mod offer;
pub mod partial;
pub mod partition;
pub mod precondition;
pub mod preference;
pub mod query;
pub mod range;
pub mod reuse;
pub mod stale;
pub mod storable;
pub mod targeted;
pub mod update;
pub mod validate;
pub mod vary;
