//! Stored responses and the tiers that keep them.
//!
//! A further tier is a further file here; what a tier offers is what [`memory::Memory`] offers.

mod changes;
mod content;
pub mod groups;
mod invalidations;
pub mod memory;
mod reader;
mod spellings;
mod standing;
mod stored;
mod tidying;
pub mod transfer;
mod view;
mod withdrawals;

pub use content::Content;
pub use groups::Groups;
pub use memory::Memory;
pub use reader::{Piece, Reader};
pub use standing::Standing;
pub use stored::{FilledBy, Slot, StoredResponse, Turn};
pub use transfer::Transfer;
pub use view::View;
pub use withdrawals::{Manner, Subject, Withdrawal};
