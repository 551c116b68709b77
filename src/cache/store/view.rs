//! What an operator may see of the store without being let through by an access rule: heads, never content.

use std::sync::Arc;

use http::header::HeaderName;

use super::memory::Memory;
use crate::cache::entry::Head;
use crate::cache::key::hash_of;
use crate::cache::rules::partition::Partition;
use crate::keyed::Keyed;
use crate::target::Target;

/// One stored response, without its content.
#[derive(Clone, Debug)]
pub struct View {
    /// Its head.
    pub head: Arc<Head>,
    /// The fields that tell it from its siblings.
    pub vary_names: Vec<HeaderName>,
    /// For whom it is.
    pub partition: Partition,
    /// Bytes of content.
    pub bytes: u64,
    /// Only a part of the representation is stored.
    pub is_part: bool,
}

impl Memory {
    /// Everything usable that is stored under a URI, with this path and query in place of its own.
    #[must_use]
    pub fn views(&self, target: &Target, path_and_query: &str, keyed: &Keyed) -> Vec<View> {
        let slot = self.index.get(&hash_of(keyed, target, path_and_query));
        let slot = slot.filter(|slot| slot.key().located().is(target, path_and_query));
        let Some(slot) = slot else { return Vec::new() };
        let usable = slot.variants().iter().filter(|stored| !self.is_unusable(slot.key(), stored));
        let view = |stored: &Arc<super::StoredResponse>| View {
            head: stored.head(),
            vary_names: stored.vary_names().to_vec(),
            partition: stored.partition(),
            bytes: stored.content().length(),
            is_part: stored.part().is_some(),
        };
        usable.map(view).collect()
    }
}
