//! What of an origin's answer is stored: the whole of it, a part, or nothing.
//!
//! RFC 9111 sections 3, 3.3 and 4.3.3. Besides the rules on responses: a GET with content has no key.
//!
//! # Deviations
//!
//! - A 403 to a validation is not stored: it is for this client alone and never takes the entry's place.

use http::{Method, StatusCode};

use super::confirm::AnswerFields;
use super::entry::{Filler, Head};
use super::lookup;
use super::rules::partial::{self, StoredPart};
use super::rules::storable::NotStored;
use crate::policy::CompiledPolicy;

/// An origin's answer, as far as storing depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Its status code.
    pub status: StatusCode,
    /// Its fields.
    pub fields: AnswerFields<'a>,
    /// A stored response was to be validated, or the request had to be put to the origin.
    pub is_validation: bool,
    /// The largest content that is stored.
    pub most_bytes: u64,
}

/// May this answer be stored, and which part of the representation is it?
///
/// # Errors
///
/// Why it is not stored.
///
/// Source: RFC 9111 sections 3, 3.3 and 4.3.3.
pub fn admit(
    asked: &lookup::Asked<'_>,
    filler: &Filler<'_>,
    answer: &Answer<'_>,
    policy: &CompiledPolicy,
) -> Result<(Head, Option<StoredPart>), NotStored> {
    let part = partial::stored_part(asked.fields, filler.credentials.any, answer.status, answer.fields.kept)
        .filter(|part| part.complete <= answer.most_bytes);
    match part {
        Some(part) => admit_part(asked, filler, answer.fields, part, policy).map(|head| (head, Some(part))),
        None => admit_whole(asked, filler, answer, policy).map(|head| (head, None)),
    }
}

fn admit_whole(
    asked: &lookup::Asked<'_>,
    filler: &Filler<'_>,
    answer: &Answer<'_>,
    policy: &CompiledPolicy,
) -> Result<Head, NotStored> {
    if asked.has_content && asked.method == Method::GET {
        return Err(NotStored::RequestContent);
    }
    if answer.is_validation && answer.status == StatusCode::FORBIDDEN {
        return Err(NotStored::Status);
    }
    Head::judge(filler, answer.status, answer.fields.received, answer.fields.kept, policy)
}

/// The same rules, on the representation that the part is one of.
///
/// Source: RFC 9111 section 3.3.
fn admit_part(
    asked: &lookup::Asked<'_>,
    filler: &Filler<'_>,
    fields: AnswerFields<'_>,
    part: StoredPart,
    policy: &CompiledPolicy,
) -> Result<Head, NotStored> {
    if asked.method != Method::GET || asked.has_content {
        return Err(NotStored::Partial);
    }
    let (received, kept) = (partial::as_whole(fields.received, part), partial::as_whole(fields.kept, part));
    Head::judge(filler, StatusCode::OK, &received, &kept, policy)
}
