//! One stored response, and the variants stored for one key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};
use http::header::HeaderName;

use super::content::Content;
use crate::cache::entry::Head;
use crate::cache::fields::names_weight;
use crate::cache::key::StoredKey;
use crate::cache::rules::partial::{StoredPart, combined_head};
use crate::cache::rules::partition::{Identity, Partition, Sight};
use crate::cache::shared::{Shared, is_alone};

/// Most who may have filled one response, part by part.
const MOST_FILLERS: usize = 16;

/// Who filled a stored response, and when they asked. A validation by somebody else changes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FilledBy {
    /// Who asked.
    pub identity: Identity,
    /// Count of group invalidations and withdrawals when the request was sent.
    pub asked: u64,
}

impl FilledBy {
    /// The half of the credential class's hash that the access log shows.
    #[must_use]
    pub fn class(&self) -> u64 {
        (self.identity.class >> 64) as u64
    }

    /// Half of the principal's hash.
    #[must_use]
    pub fn principal(&self) -> u64 {
        (self.identity.principal >> 64) as u64
    }

    /// Both lists as one; none if they are too many.
    fn joined(these: &[Self], those: &[Self]) -> Option<Box<[Self]>> {
        let mut all = these.to_vec();
        for by in those {
            match all.iter_mut().find(|known| known.identity == by.identity) {
                Some(known) => known.asked = known.asked.min(by.asked),
                None => all.push(*by),
            }
        }
        (all.len() <= MOST_FILLERS).then(|| all.into())
    }
}

/// For which requests a response is and who filled it, which many have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    vary_names: Box<[HeaderName]>,
    partition: Partition,
    filled_by: Box<[FilledBy]>,
}

/// Those of the responses that came last.
static KINDS: Shared<Kind> = Shared::new();

/// A stored response: a head that a 304 may replace, and content that never changes.
///
/// Of a part, the head is that of the complete representation, and only the content is less.
#[derive(Debug)]
pub struct StoredResponse {
    head: ArcSwap<Head>,
    kind: Arc<Kind>,
    variant: u128,
    content: Content,
    part: Option<Box<StoredPart>>,
    /// The number of the last withdrawal that made it stale: validations that were asked for before do not count.
    stale_since: AtomicU64,
    last_used: AtomicU64,
    /// Somebody has the turn to validate it in the background.
    is_taken: AtomicBool,
}

impl StoredResponse {
    /// A stored response for requests whose `vary_names` fields have the fingerprint `variant`.
    #[must_use]
    pub fn new(head: Head, vary_names: Vec<HeaderName>, variant: u128, content: Content) -> Self {
        let (stale_since, last_used, is_taken) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        let kind = Kind { vary_names: vary_names.into(), partition: Partition::Common, filled_by: Box::default() };
        let (head, kind) = (ArcSwap::from_pointee(head), Arc::new(kind));
        Self { head, kind, variant, content, part: None, stale_since, last_used, is_taken }
    }

    /// The same, for the requests of this partition only.
    #[must_use]
    pub fn within(mut self, partition: Partition) -> Self {
        Arc::make_mut(&mut self.kind).partition = partition;
        self
    }

    /// The same, as filled by these. Left out, it was filled by nobody before anything was withdrawn.
    #[must_use]
    pub fn filled_by(mut self, filled_by: impl Into<Box<[FilledBy]>>) -> Self {
        Arc::make_mut(&mut self.kind).filled_by = filled_by.into();
        self
    }

    /// The same, without a copy of what others have too.
    #[must_use]
    pub fn sharing(self) -> Self {
        Self { kind: KINDS.of((*self.kind).clone()), ..self }
    }

    /// Who filled it: one, or several a part each.
    #[must_use]
    pub fn fillers(&self) -> &[FilledBy] {
        &self.kind.filled_by
    }

    /// For whose requests it is.
    #[must_use]
    pub fn partition(&self) -> Partition {
        self.kind.partition
    }

    /// Whether it is for the same requests as another one, as far as they are told apart by fields and by who asks.
    fn is_beside(&self, other: &Self) -> bool {
        let (one, other_one) = (&*self.kind, &*other.kind);
        self.variant == other.variant && one.partition == other_one.partition && one.vary_names == other_one.vary_names
    }

    /// Whether it is there for such requests.
    pub(in crate::cache) fn is_in(&self, sight: Sight) -> bool {
        self.kind.partition == sight.partition && self.head.load().named.is_for(sight.named)
    }

    /// The same, recorded as incomplete: its content is this part of the representation.
    ///
    /// Source: RFC 9111 section 3.3.
    #[must_use]
    pub fn incomplete(self, part: StoredPart) -> Self {
        Self { part: Some(Box::new(part)), ..self }
    }

    /// Which part it is, if it is incomplete.
    #[must_use]
    pub fn part(&self) -> Option<StoredPart> {
        self.part.as_deref().copied()
    }

    /// This part and a newer one of the same representation as one, complete when no byte is missing.
    ///
    /// Source: RFC 9111 section 3.4.
    fn combined(&self, newer: &Self) -> Option<Self> {
        let (part, new_part) = (self.part()?, newer.part()?);
        let span = part.span.join(new_part.span).filter(|_| part.complete == new_part.complete)?;
        let (old_head, new_head) = (self.head.load(), newer.head.load());
        let head = combined_head(&old_head, &new_head).filter(|_| old_head.named == new_head.named)?;
        let filled_by = FilledBy::joined(self.fillers(), newer.fillers())?;
        let content = Content::joined((part.span, &self.content), (new_part.span, &newer.content));
        let combined = Self::new(head, newer.vary_names().to_vec(), newer.variant, content).within(newer.partition());
        let combined = combined.filled_by(filled_by).sharing();
        combined.touch(newer.last_used());
        let is_complete = span.length() == part.complete;
        Some(if is_complete { combined } else { combined.incomplete(StoredPart { span, complete: part.complete }) })
    }

    /// The head as it is now.
    #[must_use]
    pub fn head(&self) -> Arc<Head> {
        self.head.load_full()
    }

    /// The same for a look at it, without a share in it.
    pub(super) fn glance(&self) -> Guard<Arc<Head>> {
        self.head.load()
    }

    /// Puts a freshened head in place, without touching the store's index, and gives it back: what
    /// another validation puts there meanwhile is not this one's answer.
    ///
    /// Source: RFC 9111 section 4.3.4.
    pub fn freshen(&self, head: impl Into<Arc<Head>>) -> Arc<Head> {
        let head = head.into();
        self.head.store(Arc::clone(&head));
        head
    }

    /// Withdraws it as stale: only a validation that is asked for later makes it fresh.
    ///
    /// Source: RFC 9111 section 4.4.
    pub(super) fn withdraw_as_stale(&self, number: u64) {
        self.stale_since.fetch_max(number, Ordering::Release);
    }

    /// Whether it was withdrawn as stale since this head was asked for.
    pub(super) fn is_withdrawn_as_stale(&self, head: &Head) -> bool {
        self.stale_since.load(Ordering::Acquire) > head.born && !head.lifetime.duration.is_zero()
    }

    /// Makes it stale where it still has this head, until it is validated.
    ///
    /// Source: RFC 9111 section 4.4.
    pub fn end_freshness(&self, head: &Arc<Head>) {
        self.head.compare_and_swap(head, Arc::new(head.without_freshness()));
    }

    /// The turn to validate it in the background, unless somebody has it.
    ///
    /// Source: RFC 5861 section 3.
    pub(super) fn take_turn(self: &Arc<Self>) -> Option<Turn> {
        let was_taken = self.is_taken.swap(true, Ordering::AcqRel);
        (!was_taken).then(|| Turn(Arc::clone(self)))
    }

    /// The fields that its `Vary` names.
    #[must_use]
    pub fn vary_names(&self) -> &[HeaderName] {
        &self.kind.vary_names
    }

    /// Fingerprint of those fields in the request that filled it.
    #[must_use]
    pub fn variant(&self) -> u128 {
        self.variant
    }

    /// The stored bytes.
    #[must_use]
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Notes a use, for dropping the least recently used of too many variants.
    pub fn touch(&self, tick: u64) {
        self.last_used.store(tick, Ordering::Relaxed);
    }

    fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }

    /// Bytes that it takes in memory, about.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        // Counts of who holds it, and its head.
        const COUNTS: usize = 4 * size_of::<usize>();
        let of_kind = || size_of::<Kind>() + names_weight(self.vary_names()) + size_of_val(self.fillers());
        let kind = if is_alone(&self.kind) { of_kind() } else { 0 };
        let part = if self.part.is_some() { size_of::<StoredPart>() } else { 0 };
        let around = kind + part + COUNTS + size_of::<Self>();
        self.content.weight_bytes() + (self.head.load().weight_bytes() + around) as u64
    }
}

/// The turn to validate a stored response in the background: one at a time has it, until it is dropped.
#[derive(Debug)]
pub struct Turn(Arc<StoredResponse>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.is_taken.store(false, Ordering::Release);
    }
}

/// Everything stored for one key; replaced as a whole when a variant comes or goes.
#[derive(Clone, Debug)]
pub struct Slot {
    key: StoredKey,
    variants: Vec<Arc<StoredResponse>>,
}

impl Slot {
    /// A slot with one variant.
    #[must_use]
    pub fn new(key: StoredKey, stored: Arc<StoredResponse>) -> Self {
        Self { key, variants: vec![stored] }
    }

    /// The key this slot is for.
    #[must_use]
    pub fn key(&self) -> &StoredKey {
        &self.key
    }

    /// The variants, in no particular order.
    #[must_use]
    pub fn variants(&self) -> &[Arc<StoredResponse>] {
        &self.variants
    }

    /// The variants in sight of a request; what is kept for others is not there for it.
    pub fn variants_for(&self, sight: Sight) -> impl Iterator<Item = &Arc<StoredResponse>> {
        self.variants.iter().filter(move |stored| stored.is_in(sight))
    }

    /// The slot with a further variant: an equal one is replaced where the new one is there for as many, and of more than `limit` the least
    /// recently used goes. A part joins the stored part that it continues, and never replaces a whole.
    #[must_use]
    pub fn with(&self, stored: Arc<StoredResponse>, limit: usize) -> Self {
        let combined = self.variants.iter().filter(|other| other.is_beside(&stored)).find_map(|other| other.combined(&stored));
        let stored = combined.map_or(stored, Arc::new);
        let named = stored.head.load().named;
        let is_same = |other: &Arc<StoredResponse>| {
            let may_replace = stored.part.is_none() || other.part.is_some();
            may_replace && other.is_beside(&stored) && named.replaces(other.head.load().named)
        };
        let mut variants: Vec<_> = self.variants.iter().filter(|other| !is_same(other)).cloned().collect();
        while variants.len() >= limit.max(1) {
            let Some((oldest, _)) = variants.iter().enumerate().min_by_key(|(_, other)| other.last_used()) else { break };
            variants.swap_remove(oldest);
        }
        variants.push(stored);
        Self { key: self.key.clone(), variants }
    }

    /// The slot without this variant; none when nothing is left.
    #[must_use]
    pub fn without(&self, stored: &Arc<StoredResponse>) -> Option<Self> {
        let variants: Vec<_> = self.variants.iter().filter(|other| !Arc::ptr_eq(other, stored)).cloned().collect();
        (!variants.is_empty()).then(|| Self { key: self.key.clone(), variants })
    }

    /// Bytes in memory; saturates, because the memory tier counts in `u32`.
    #[must_use]
    pub fn weight(&self) -> u32 {
        // What the index itself costs for an entry.
        const INDEX_OVERHEAD: usize = 320;
        let variants: u64 = self.variants.iter().map(|stored| stored.weight_bytes()).sum();
        let around = size_of::<Self>() + size_of_val(&*self.variants) + self.key.weight_bytes() + INDEX_OVERHEAD;
        u32::try_from(variants + around as u64).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests;
