//! Who asks, and the marks that tell for whom bytes were made.

/// A credential, or none.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) name: &'static str,
    /// What they send to say who they are.
    pub(super) fields: &'static [(&'static str, &'static str)],
}

pub(super) static ALICE: Person = Person { name: "alice", fields: &[("authorization", "Bearer alice")] };
pub(super) static BOB: Person = Person { name: "bob", fields: &[("authorization", "Bearer bob")] };
pub(super) static CAROL: Person = Person { name: "carol", fields: &[("authorization", "Basic Y2Fyb2w6eA==")] };
/// Whom the origin refuses where a scene says so.
pub(super) static MALLORY: Person = Person { name: "mallory", fields: &[("authorization", "Bearer mallory")] };
pub(super) static NOBODY: Person = Person { name: "nobody", fields: &[] };
/// Presence counts, whatever it says (RFC 9111 section 3.5).
pub(super) static EMPTY: Person = Person { name: "empty", fields: &[("authorization", "")] };
pub(super) static MALFORMED: Person = Person { name: "malformed", fields: &[("authorization", "Basic !!! , =")] };
pub(super) static COOKIE_1: Person = Person { name: "cookie-1", fields: &[("cookie", "sid=one")] };
pub(super) static COOKIE_2: Person = Person { name: "cookie-2", fields: &[("cookie", "sid=two")] };
/// Somebody whose credentials are none of ours: they were changed on the way.
static STRANGER: Person = Person { name: "stranger", fields: &[] };

static PEOPLE: [&Person; 10] = [&ALICE, &BOB, &CAROL, &MALLORY, &NOBODY, &EMPTY, &MALFORMED, &COOKIE_1, &COOKIE_2, &STRANGER];

impl Person {
    /// Who sends these values of Authorization and Cookie.
    pub(super) fn who_sends(authorization: Option<&str>, cookie: Option<&str>) -> &'static Self {
        let is_same = |person: &&&Self| person.value("authorization") == authorization && person.value("cookie") == cookie;
        PEOPLE.iter().find(is_same).copied().unwrap_or(&STRANGER)
    }

    pub(super) fn is_credentialed(&self) -> bool {
        !self.fields.is_empty()
    }

    /// Whether this field comes with their requests.
    pub(super) fn sends(&self, name: &str) -> bool {
        self.fields.iter().any(|(found, _)| found.eq_ignore_ascii_case(name))
    }

    fn value(&self, name: &str) -> Option<&'static str> {
        self.fields.iter().find(|(found, _)| *found == name).map(|(_, value)| *value)
    }
}

/// For whom content was made, in which language, and at which request for its target, from 1.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) by: &'static Person,
    pub(super) language: String,
    pub(super) hit: usize,
}

/// How often the mark stands in one content.
const REPETITIONS: usize = 24;

impl Mark {
    /// Content whose every few bytes are the mark.
    pub(super) fn content(&self) -> String {
        format!("[{}.{}#{}]", self.by.name, self.language, self.hit).repeat(REPETITIONS)
    }

    /// The mark of content that is complete and of one making.
    pub(super) fn of(content: &str) -> Option<Self> {
        let (mark, _) = content.strip_prefix('[')?.split_once(']')?;
        let (name, rest) = mark.split_once('.')?;
        let (language, hit) = rest.split_once('#')?;
        let by = PEOPLE.iter().find(|person| person.name == name)?;
        let mark = Self { by, language: language.to_owned(), hit: hit.parse().ok()? };
        (mark.content() == content).then_some(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_that_is_cut_or_mixed_has_no_mark() {
        let mark = |by, hit| Mark { by, language: "en".to_owned(), hit }.content();
        let (alice, bob) = (mark(&ALICE, 1), mark(&BOB, 1));
        let read = Mark::of(&alice).unwrap();
        assert_eq!((read.by.name, read.language.as_str(), read.hit), ("alice", "en", 1));
        assert!(Mark::of(&alice[..alice.len() - 12]).is_none(), "cut between two marks");
        assert!(Mark::of(&format!("{}{}", &alice[..alice.len() / 2], &bob[bob.len() / 2..])).is_none());
        assert!(Mark::of(&format!("{}{}", &alice[..12], &mark(&ALICE, 2)[12..])).is_none());
    }

    #[test]
    fn credentials_that_changed_on_the_way_are_a_strangers() {
        for person in PEOPLE.iter().filter(|person| person.name != "stranger") {
            assert_eq!(Person::who_sends(person.value("authorization"), person.value("cookie")).name, person.name);
        }
        for (authorization, cookie) in
            [(Some("Bearer Alice"), None), (Some("Bearer alice"), Some("sid=one")), (None, Some("sid"))]
        {
            assert_eq!(Person::who_sends(authorization, cookie).name, "stranger", "{authorization:?} {cookie:?}");
        }
    }
}
