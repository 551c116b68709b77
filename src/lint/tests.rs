//! What is found in which answers.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::access::{Access, Question};
use crate::auth::{Principal, Scheme as AuthScheme};
use crate::config::settings::{Mode, Settings};
use crate::target::parse_uri;

const DATE: &str = "Date: Sun, 06 Nov 1994 08:49:37 GMT";

/// Field lines.
fn map(lines: &[&str]) -> HeaderMap {
    let line = |line: &&str| {
        let (name, value) = line.split_once(": ").unwrap();
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    lines.iter().map(line).collect()
}

/// An asker whose two answers have these contents, under these lines and a `Date`.
fn asker(request: &[&str], status: u16, lines: &[&str], contents: [&str; 2]) -> Asker {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let mut fields = map(lines);
    fields.extend(map(&[DATE]));
    let fetched = |content: &str| Fetched {
        status: StatusCode::from_u16(status).unwrap(),
        fields: fields.clone(),
        content: Content::of(content.as_bytes()),
        time,
    };
    let [first, second] = contents.map(fetched);
    Asker { request: map(request), first, second, confirmed: None }
}

const ALICE: &[&str] = &["Authorization: Bearer alice"];
const BOB: &[&str] = &["Authorization: Bearer bob"];

fn first(status: u16, lines: &[&str], content: &str) -> Asker {
    asker(ALICE, status, lines, [content; 2])
}

fn second(status: u16, lines: &[&str], content: &str) -> Asker {
    asker(BOB, status, lines, [content; 2])
}

fn nobody(status: u16, lines: &[&str], content: &str) -> Asker {
    asker(&[], status, lines, [content; 2])
}

fn judge_at(url: &str, askers: [Asker; 3]) -> Report {
    let question = Question {
        principal: Principal { name: None, scheme: AuthScheme::None },
        target: parse_uri(url).unwrap(),
        method: &METHOD,
        client: std::net::Ipv4Addr::LOCALHOST.into(),
        mode: Mode::Gateway,
    };
    let permit = Access::new(&Settings::default(), &[]).decide(question).unwrap();
    lint(&Evidence { permit, askers }, &Keyed::random().unwrap())
}

fn judge(askers: [Asker; 3]) -> Report {
    judge_at("http://api.test/x", askers)
}

/// Severity and rule of everything that was found.
fn rules(report: &Report) -> Vec<String> {
    report.findings.iter().map(|found| format!("{:?} {}", found.severity, found.rule).to_lowercase()).collect()
}

/// Everybody gets answers with these lines: both credentials these contents, nobody a 401.
fn guarded(lines: &[&str], contents: [&str; 2]) -> [Asker; 3] {
    let [one, other] = contents;
    [first(200, lines, one), second(200, lines, other), nobody(401, &[], "no")]
}

/// Everybody gets the same answer.
fn open(lines: &[&str]) -> [Asker; 3] {
    [first(200, lines, "same"), second(200, lines, "same"), nobody(200, lines, "same")]
}

const MINE: [&str; 2] = ["for alice", "for bob"];
const OURS: [&str; 2] = ["for members", "for members"];

#[test]
fn n054_who_gets_whose_answer() {
    let cases: &[(&str, [Asker; 3], &[&str])] = &[
        (
            "public and personal",
            guarded(&["Cache-Control: public, max-age=60", "ETag: \"1\""], MINE),
            &["unsafe somebody-elses-answer"],
        ),
        (
            "s-maxage and personal",
            guarded(&["Cache-Control: s-maxage=60", "ETag: \"1\""], MINE),
            &["unsafe somebody-elses-answer"],
        ),
        (
            "must-revalidate and personal",
            guarded(&["Cache-Control: must-revalidate, max-age=60", "ETag: \"1\""], MINE),
            &["unsafe somebody-elses-answer"],
        ),
        ("no permission and personal", guarded(&["Cache-Control: max-age=60", "ETag: \"1\""], MINE), &[]),
        ("private and personal", guarded(&["Cache-Control: private, max-age=60", "ETag: \"1\""], MINE), &[]),
        ("apart by Vary", guarded(&["Cache-Control: public, max-age=60", "ETag: \"1\"", "Vary: Authorization"], MINE), &[]),
        (
            "members only, and open to all",
            guarded(&["Cache-Control: public, max-age=60", "ETag: \"1\""], OURS),
            &["unsafe open-to-nobody"],
        ),
        ("members only, judged each time", guarded(&["Cache-Control: s-maxage=0", "ETag: \"1\""], OURS), &[]),
        (
            "members only, not shared",
            guarded(&["Cache-Control: max-age=60", "ETag: \"1\""], OURS),
            &["wasteful same-for-all-let-in"],
        ),
        (
            "the same for everybody, and private",
            open(&["Cache-Control: private, max-age=60", "ETag: \"1\""]),
            &["wasteful same-for-everybody"],
        ),
        ("the same for everybody, and no-store", open(&["Cache-Control: no-store"]), &["wasteful same-for-everybody"]),
        (
            "the same for everybody, apart by Vary",
            open(&["Cache-Control: public, max-age=60", "ETag: \"1\"", "Vary: Authorization"]),
            &["wasteful same-for-everybody"],
        ),
        ("the same for everybody, and shared", open(&["Cache-Control: public, max-age=60", "ETag: \"1\""]), &[]),
        (
            "a page for nobody that members get",
            [
                first(200, &["Cache-Control: private", "ETag: \"1\""], "for alice"),
                second(200, &["Cache-Control: private", "ETag: \"2\""], "for bob"),
                nobody(200, &["Cache-Control: max-age=60", "ETag: \"3\""], "sign in"),
            ],
            &["unsafe answer-made-for-nobody"],
        ),
        (
            "a stale answer is one too",
            guarded(&["Cache-Control: public, max-age=0, stale-while-revalidate=60", "ETag: \"1\""], MINE),
            &["unsafe somebody-elses-answer"],
        ),
    ];
    for (id, askers, expect) in cases {
        let report = judge(askers.clone());
        assert_eq!(rules(&report), *expect, "{id}\n{report}");
        assert_eq!(report.is_unsafe(), expect.iter().any(|rule| rule.starts_with("unsafe")), "{id}");
    }
}

/// What to send instead depends on whether the content does.
#[test]
fn each_finding_says_what_to_send() {
    let public = ["Cache-Control: public, max-age=90", "ETag: \"1\""];
    let send = |askers| judge(askers).findings[0].send.clone();
    assert_eq!(send(guarded(&public, MINE)), "Cache-Control: private");
    assert_eq!(send(guarded(&public, OURS)), "Cache-Control: s-maxage=0, with an ETag");
    assert_eq!(send(open(&["Cache-Control: private, max-age=90"])), "Cache-Control: public, max-age=90");
    assert_eq!(send(open(&["Cache-Control: no-store"])), "Cache-Control: public, max-age=60");
    let vary = send(open(&["Cache-Control: public, max-age=90", "ETag: \"1\"", "Vary: Authorization"]));
    assert_eq!(vary, "Cache-Control: public, max-age=90, and no Vary that tells them apart");
}

/// RFC 9213: the field for caches in between is judged as such a cache judges it, and by its own name.
#[test]
fn x026_a_targeted_field_is_judged_as_well() {
    let report = judge(guarded(&["Cache-Control: private", "CDN-Cache-Control: public, max-age=60", "ETag: \"1\""], MINE));
    assert_eq!(rules(&report), ["unsafe somebody-elses-answer"]);
    assert_eq!(report.findings[0].send, "CDN-Cache-Control: private");
    assert_eq!(report.findings[0].answers, [Who::First, Who::Second]);
}

/// RFC 9111 section 3.5 knows one credential; a cache cannot guess others.
#[test]
fn n054_other_fields_are_no_credentials_to_caches() {
    let lines = ["Cache-Control: max-age=60", "ETag: \"1\""];
    for field in ["X-Api-Key: ", "Cookie: session="] {
        let (one, other) = (format!("{field}alice"), format!("{field}bob"));
        let askers = [
            asker(&[&one], 200, &lines, ["for alice"; 2]),
            asker(&[&other], 200, &lines, ["for bob"; 2]),
            nobody(401, &[], "no"),
        ];
        assert_eq!(rules(&judge(askers)), ["unsafe somebody-elses-answer", "note no-credential-to-caches"], "{field}");
    }
    let report = judge_at("http://api.test/x?access_token=hush", open(&["Cache-Control: public, max-age=60", "ETag: \"1\""]));
    assert_eq!(rules(&report), ["unsafe credential-in-url"]);
    assert!(!report.to_string().contains("hush"), "{report}");
}

/// A time of day in the content is nobody's, a name is somebody's.
#[test]
fn moments_are_told_from_people() {
    let lines = ["Cache-Control: public, max-age=60", "ETag: \"1\""];
    let asked = |alice: [&str; 2], bob: [&str; 2], nobody: [&str; 2]| {
        rules(&judge([asker(ALICE, 200, &lines, alice), asker(BOB, 200, &lines, bob), asker(&[], 200, &lines, nobody)]))
    };
    let same = asked(["news at 1", "news at 4"], ["news at 2", "news at 5"], ["news at 3", "news at 6"]);
    assert_eq!(same, [""; 0]);
    let personal = asked(["alice at 1", "alice at 4"], ["bob at 2", "bob at 5"], ["news at 3", "news at 6"]);
    assert_eq!(personal, ["unsafe somebody-elses-answer", "unsafe answer-made-for-nobody"]);
    // Without words nothing can be told.
    let unknown = asked(["1", "4"], ["2", "5"], ["3", "6"]);
    assert_eq!(unknown, ["note cannot-tell"]);
}

#[test]
fn n095_who_is_told_304_about_somebody_elses_answer() {
    let confirmed = |lines: &[&str], askers: [&str; 2], told: [u16; 3]| {
        let mut askers = guarded(lines, askers);
        for (asker, status) in askers.iter_mut().zip(told) {
            asker.confirmed = Some(StatusCode::from_u16(status).unwrap());
        }
        rules(&judge(askers))
    };
    let judged = ["Cache-Control: s-maxage=0", "ETag: \"1\""];
    assert_eq!(confirmed(&judged, MINE, [304, 304, 401]), ["unsafe confirms-what-was-not-theirs"]);
    assert_eq!(confirmed(&judged, OURS, [304, 304, 304]), ["unsafe confirms-what-was-not-theirs"]);
    assert_eq!(confirmed(&judged, OURS, [304, 304, 401]), [""; 0]);
    assert_eq!(
        confirmed(&["Cache-Control: private", "ETag: \"1\""], MINE, [304, 304, 401]),
        ["note confirms-what-was-not-theirs"]
    );
    assert_eq!(confirmed(&judged, OURS, [200, 200, 401]), ["wasteful never-confirms"]);
}

/// What the fields alone say, on an answer that is the same for everybody.
#[test]
fn what_fields_say_and_do_not_mean() {
    let shared = "Cache-Control: public, max-age=60";
    let cases: &[(&[&str], &[&str])] = &[
        (&[shared], &["wasteful no-validator"]),
        (&[shared, "Last-Modified: Sun, 06 Nov 1994 08:00:00 GMT"], &[]),
        (&["Cache-Control: public, max-age=-1", "ETag: \"1\""], &["wasteful broken-lifetime"]),
        (&["Cache-Control: s-maxage=1m, public", "ETag: \"1\""], &["wasteful broken-lifetime"]),
        (&[shared, "ETag: \"1\"", "Vary: *"], &["wasteful same-for-everybody", "wasteful vary-too-wide"]),
        (&[shared, "ETag: \"1\"", "Vary: accept, Cookie"], &["wasteful vary-too-wide"]),
        (&[shared, "ETag: \"1\"", "Vary: User-Agent"], &["wasteful vary-too-wide"]),
        (&[shared, "ETag: \"1\"", "Vary: Accept-Language"], &[]),
        (&["Cache-Control: public, private, max-age=5", "ETag: \"1\""], &["wasteful same-for-everybody", "note conflict"]),
        (&["Cache-Control: private, s-maxage=5", "ETag: \"1\""], &["wasteful same-for-everybody", "note conflict"]),
        (&["Cache-Control: no-store, max-age=5"], &["wasteful same-for-everybody", "note conflict"]),
        (&[shared, "ETag: \"1\"", "Expires: 0"], &["note expires-ignored"]),
        (&[shared, "ETag: \"1\"", "Expires: Sun, 06 Nov 1994 08:50:37 GMT"], &[]),
        (&[shared, "ETag: W/\"1\""], &["note weak-tag"]),
        (&[shared, "ETag: \"1\"", "Age: 5"], &["note behind-a-cache"]),
        (&[shared, "ETag: \"1\"", "Set-Cookie: a=b"], &["unsafe cookie-for-all"]),
        (&["Cache-Control: public, max-age=60, no-cache=\"set-cookie\"", "ETag: \"1\"", "Set-Cookie: a=b"], &[]),
        (&["Pragma: no-cache", "ETag: \"1\""], &["wasteful same-for-everybody", "note pragma-alone"]),
        (
            &["ETag: \"1\"", "Last-Modified: Sat, 05 Nov 1994 08:49:37 GMT"],
            &["wasteful same-for-everybody", "note assumed-lifetime"],
        ),
    ];
    for (lines, expect) in cases {
        let report = judge(open(lines));
        assert_eq!(rules(&report), *expect, "{lines:?}\n{report}");
    }
    let mut undated = open(&[shared, "ETag: \"1\""]);
    undated.iter_mut().for_each(|asker| drop(asker.first.fields.remove("date")));
    assert_eq!(rules(&judge(undated)), ["note no-date"]);
    let missing = [shared, "ETag: \"1\""];
    let missing = [first(404, &missing, "gone"), second(404, &missing, "gone"), nobody(404, &missing, "gone")];
    assert_eq!(rules(&judge(missing)), ["note error-stored"]);
    let refused = [first(401, &[], "no"), second(401, &[], "no"), nobody(401, &[], "no")];
    assert_eq!(rules(&judge(refused)), ["note refused"]);
}

#[test]
fn a_tag_has_to_stay_while_the_content_does() {
    let lines = ["Cache-Control: public, max-age=60", "ETag: \"1\""];
    let mut askers = open(&lines);
    askers[0].second.fields.insert("etag", HeaderValue::from_static("\"2\""));
    assert_eq!(rules(&judge(askers)), ["wasteful moving-tag"]);
    let mut askers = open(&lines);
    for fetched in [&mut askers[1].first, &mut askers[1].second] {
        fetched.fields.insert("etag", HeaderValue::from_static("\"2\""));
    }
    assert_eq!(rules(&judge(askers)), ["wasteful moving-tag"]);
}

/// The table beside the findings: what is stored of whose answer, and whom it answers.
#[test]
fn the_report_shows_no_value_of_anybody() {
    let report = judge(guarded(&["Cache-Control: public, max-age=60", "ETag: \"secret-tag\""], MINE));
    let stored: Vec<_> = report.askers.iter().map(|seen| (seen.status, seen.bytes, seen.steady, seen.stored)).collect();
    assert_eq!(stored, [(200, 9, true, "permit-public"), (200, 7, true, "permit-public"), (401, 2, true, "status")]);
    assert_eq!(report.askers[0].answers, [Who::Second, Who::Nobody]);
    let (text, json) = (report.to_string(), serde_json::to_string(&report).unwrap());
    for value in ["alice", "bob", "Bearer", "secret-tag"] {
        assert!(!text.contains(value) && !json.contains(value), "{value} in {text}\n{json}");
    }
    assert!(text.ends_with("\n1 unsafe, 0 wasteful, 0 to note\n"), "{text}");
}
