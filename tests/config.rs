//! Every mistake at once, with its place and its remedy; the wording is a promise.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use vouchsafe::cli::check;
use vouchsafe::config;
use vouchsafe::config::settings::{
    AccessLogTarget, AuthScheme, DigestAlgorithm, HostPattern, ListenerAuth, Mode, PathPattern, Settings,
};

/// A folder with readable files of these names, for texts that refer to them.
fn folder(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let path = folder.path().join(name);
        fs::write(&path, "").unwrap();
        set_mode(&path, 0o600);
    }
    folder
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The mistakes in a text, one a line; empty when there are none.
fn mistakes(text: &str) -> String {
    mistakes_in(text, &folder(&["users.htpasswd", "users.htdigest", "s.pem", "s.key", "t"]))
}

fn mistakes_in(text: &str, folder: &TempDir) -> String {
    let read = config::parse(text, "v.toml", folder.path());
    let Err(errors) = read else { return String::new() };
    let text = errors.to_string();
    assert_eq!(errors.len(), text.lines().count(), "{text}");
    assert!(!errors.is_empty());
    text.replace(&folder.path().display().to_string(), "DIR")
}

fn settings(text: &str) -> Settings {
    config::parse(text, "v.toml", folder(&["users.htpasswd", "users.htdigest", "t"]).path()).unwrap()
}

const LISTENER: &str = "[[listener]]\nname = \"l\"\naddress = \"127.0.0.1:0\"\nmode = \"forward\"\nauth = \"none\"\n";

/// The mistakes of lines below a good listener of five lines.
fn below(text: &str) -> String {
    mistakes(&format!("{LISTENER}{text}"))
}

#[test]
fn every_mistake_is_reported_at_once_in_the_order_of_the_text() {
    let text = r#"[[listener]]
name = "edge"
adress = "127.0.0.1:3128"
mode = "foward"
auth = 7

[auth]
schemes = ["digest", "basic", "bearer"]
[auth.basic]
htpasswd = "nobody.htpasswd"
verdict_ttl = "60"
[auth.digest]
algorithms = ["sha-256", "SHA-256"]

[forward]
allow_networks = ["10.0.0.1/8", "all"]
connect_ports = [443, 0, 70000, "https"]

[[upstream]]
name = "api"
servers = ["127.0.0.1:8000", "ftp://h", "http://u:hunter2@h"]

[[route]]
host = "*.*.example.com"
path = "v1/*"
upstream = "apy"

[cache]
memory = "512MB"
colour = "blue"

[[policy]]
name = "p"
authorization = "always"
max_ttl = "5 minutes"
match = { host = ["a"], methods = ["get"] }
credentials = { headers = ["X Key"] }
canary = 2

[log]
access = "stder"

[limits]
header_bytes = "1KiB"
header_time = "0s"
"#;
    let expect = r#"v.toml:1:1: listener[0].address: expected a value, found none; add address = "127.0.0.1:3128"
v.toml:3:1: listener[0].adress: expected a known key, found `adress`; did you mean `address`?
v.toml:4:8: listener[0].mode: expected "forward" or "gateway", found "foward"; did you mean `forward`?
v.toml:5:8: listener[0].auth: expected "proxy" or "origin" or "none", found 7
v.toml:8:31: auth.schemes[2]: "bearer" is not in this version; leave it out
v.toml:10:12: auth.basic.htpasswd: expected a readable file at DIR/nobody.htpasswd, found none
v.toml:11:15: auth.basic.verdict_ttl: expected a duration such as "10s" (units ms, s, m, h, d; at most 3650d), found "60"
v.toml:13:15: auth.digest.algorithms[0]: expected "SHA-256" or "SHA-512-256" or "MD5", found "sha-256"; did you mean `SHA-256`?
v.toml:16:19: forward.allow_networks[0]: expected a network such as "10.0.0.0/8" or "fd00::/8", found "10.0.0.1/8"; did you mean `10.0.0.0/8`?
v.toml:16:33: forward.allow_networks[1]: expected a network such as "10.0.0.0/8" or "fd00::/8", found "all"
v.toml:17:23: forward.connect_ports[1]: expected a whole number from 1 to 65535, found 0
v.toml:17:26: forward.connect_ports[2]: expected a whole number from 1 to 65535, found 70000
v.toml:17:33: forward.connect_ports[3]: expected a whole number from 1 to 65535, found "https"
v.toml:21:12: upstream[0].servers[0]: expected a server such as "http://127.0.0.1:8000", found a URL without scheme in "127.0.0.1:8000"
v.toml:21:30: upstream[0].servers[1]: expected a server such as "http://127.0.0.1:8000", found another scheme in "ftp://h"
v.toml:21:41: upstream[0].servers[2]: expected a server such as "http://127.0.0.1:8000", found user information, which is no place for a secret
v.toml:24:8: route[0].host: expected a host such as "example.com", "*.example.com" or "*", found "*.*.example.com"
v.toml:25:8: route[0].path: expected a path such as "/v1/status", "/v1/*" or "/*/feed", found "v1/*"
v.toml:26:12: route[0].upstream: expected the name of an [[upstream]], found "apy"; did you mean `api`?
v.toml:29:10: cache.memory: expected a size such as "512MiB" (units B, KiB, MiB, GiB, TiB), found "512MB"; did you mean `512MiB`?
v.toml:30:1: cache.colour: expected a known key, found `colour`; known here: memory, max_object, collapse_wait
v.toml:34:17: policy[0].authorization: expected "standard" or "never" or "always-validate", found "always"
v.toml:35:11: policy[0].max_ttl: expected a duration such as "10s" (units ms, s, m, h, d; at most 3650d), found "5 minutes"
v.toml:36:11: policy[0].match.host: expected a known key, found `host`; did you mean `hosts`?
v.toml:36:36: policy[0].match.methods[0]: expected a method in upper case such as "GET", found "get"; did you mean `GET`?
v.toml:37:28: policy[0].credentials.headers[0]: expected a field name such as "X-Api-Key", found "X Key"
v.toml:38:10: policy[0].canary: expected a number from 0 to 1 such as 0.001, found 2
v.toml:41:10: log.access: expected "stderr", "off" or a file path, found "stder"; did you mean `stderr`?
v.toml:44:16: limits.header_bytes: expected a size from 8KiB to 16MiB, found "1KiB"
v.toml:45:15: limits.header_time: expected a duration above zero, found "0s""#;
    let found = mistakes(text);
    for (at, (found, expect)) in found.lines().zip(expect.lines()).enumerate() {
        assert_eq!(found, expect, "mistake {at}");
    }
    assert_eq!(found, expect);
    assert!(!found.contains("hunter2"));
}

#[test]
fn syntax_errors_and_duplicate_keys_are_mistakes_like_others() {
    let found = mistakes("[[listener]]\nname = \"a\"\nname = \"b\"\nmode = \n[limits]\nheader_tim = \"1s\"\n[limits]\n");
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines[0], "v.toml:3:1: name: expected once, found again", "{found}");
    assert!(lines[1].starts_with("v.toml:4:8: "), "{found}");
    assert_eq!(lines[2], "v.toml:6:1: limits.header_tim: expected a known key, found `header_tim`; did you mean `header_time`?");
    assert!(lines[3].starts_with("v.toml:7:"), "{found}");
    assert_eq!(lines.len(), 4, "{found}");
}

#[test]
fn columns_count_characters() {
    assert_eq!(
        below("[auth]\nrealm = \"k\u{fc}che\"  \nschemes = [ \"digest\", \"\u{e9}\u{e9}\" ]"),
        "v.toml:8:23: auth.schemes[1]: expected \"digest\" or \"basic\", found \"\u{e9}\u{e9}\""
    );
}

#[test]
fn sections_of_the_wrong_kind_are_named() {
    let cases = [
        ("limits = 3", "limits: expected a table, found 3"),
        ("[[limits]]", "limits: expected a table, found an array"),
        ("[access]", "access: expected tables, each begun with [[access]], found a table"),
        ("access = [1]", "access[0]: expected a table, found 1"),
        ("[lisener]", "lisener: expected a known key, found `lisener`; did you mean `listener`?"),
    ];
    for (text, expect) in cases {
        let found = mistakes(&format!("{text}\n{LISTENER}"));
        assert!(found.ends_with(expect), "{text}: {found}");
        assert_eq!(found.lines().count(), 1, "{found}");
    }
    assert_eq!(mistakes(""), "v.toml:1:1: listener: expected at least one [[listener]], found none");
}

#[test]
fn what_is_not_in_this_version_is_refused_and_never_ignored() {
    let refused = [
        ("[auth.bearer]\njwks = \"k\"", "auth.bearer: not in this version; leave it out"),
        ("[forward]\nparent = \"http://u:hunter2@h\"", "forward.parent: not in this version; leave it out"),
        (
            "[forward]\nparent_authorization = \"relay\"",
            "forward.parent_authorization: not in this version; expected \"none\", found \"relay\"",
        ),
        (
            "[forward]\nparent_authorization = { file = \"x\" }",
            "forward.parent_authorization: not in this version; expected \"none\", found a table",
        ),
        ("[[access]]\nname = \"a\"\nallow = true\ngroups = []", "access[0].groups: not in this version; leave it out"),
    ];
    let refused = refused.map(|(text, expect)| (text.to_owned(), expect.to_owned()));
    for (text, expect) in refused {
        let found = below(&text);
        assert!(found.ends_with(&expect) && found.lines().count() == 1, "{text}: {found}");
        assert!(!found.contains("hunter2"));
    }
    let found = mistakes(&format!("{LISTENER}proxy_protocol = true"));
    assert_eq!(found, "v.toml:6:18: listener[0].proxy_protocol: not in this version; expected false, found true");
    let accepted = "proxy_protocol = false\n[forward]\nparent_authorization = \"none\"\n[[policy]]\nname = \"p\"\n\
         query = \"all\"\nshare_validations = false\n";
    assert_eq!(below(accepted), "");
}

/// D4: what is decided before there is a response, and what a response would loosen.
#[test]
fn policies_with_conditions_on_the_response_set_what_a_response_decides() {
    let on_404 = |text: &str| below(&format!("[[policy]]\nname = \"p\"\nmatch = {{ statuses = [404] }}\n{text}"));
    let before = "is decided before there is a response; set it in a policy without content_types and statuses";
    for key in [
        "partition = \"credential\"",
        "credentials = { headers = [\"X-Key\"] }",
        "share_validations = false",
        "canary = 0.1",
        "query = \"all\"",
        "vary_normalise = false",
        "vary_limit = 3",
        "ignore_request_cache_control = true",
    ] {
        let name = key.split(' ').next().unwrap();
        assert_eq!(on_404(key), format!("v.toml:9:1: policy[0].{name}: expected no `{name}` here, which {before}"));
    }
    for (text, expect) in [
        ("cache = \"standard\"", "policy[0].cache: expected \"bypass\", found \"standard\""),
        (
            "authorization = \"standard\"",
            "policy[0].authorization: expected \"never\" or \"always-validate\", found \"standard\"",
        ),
        ("anonymous_entries = \"reuse\"", "policy[0].anonymous_entries: expected \"validate\" or \"bypass\", found \"reuse\""),
        ("max_ttl = \"5s\"\ndefault_ttl = \"6s\"", "policy[0].default_ttl: expected at most max_ttl, found more"),
        ("max_tll = \"5s\"", "policy[0].max_tll: expected a known key, found `max_tll`; did you mean `max_ttl`?"),
    ] {
        let found = on_404(text);
        assert!(found.ends_with(expect) && found.lines().count() == 1, "{text}: {found}");
    }
    let statuses = "a status code from 100 to 599 such as 404, a class such as \"5xx\" or a range such as \"500-504\"";
    let media_type = "a media type without parameters such as \"text/html\" or \"image/*\"";
    for (matches, expect) in [
        ("statuses = [404, 99]", format!("statuses[1]: expected {statuses}, found 99")),
        ("statuses = [600]", format!("statuses[0]: expected {statuses}, found 600")),
        ("statuses = [\"6xx\"]", format!("statuses[0]: expected {statuses}, found \"6xx\"")),
        ("statuses = [true]", format!("statuses[0]: expected {statuses}, found true")),
        ("statuses = 404", "statuses: expected an array, found 404".to_owned()),
        ("content_types = [\"*/*\"]", format!("content_types[0]: expected {media_type}, found \"*/*\"")),
        ("content_types = [\"html\"]", format!("content_types[0]: expected {media_type}, found \"html\"")),
    ] {
        let found = below(&format!("[[policy]]\nname = \"p\"\nmatch = {{ {matches} }}\n"));
        assert!(found.ends_with(&format!("policy[0].match.{expect}")) && found.lines().count() == 1, "{matches}: {found}");
    }
    // An empty list is no condition.
    assert_eq!(below("[[policy]]\nname = \"p\"\nmatch = { content_types = [], statuses = [] }\nvary_limit = 3\n"), "");
    let twice = "[[policy]]\nname = \"p\"\nmatch = { statuses = [404] }\n[[policy]]\nname = \"p\"\n";
    assert_eq!(below(twice), "v.toml:10:8: policy[1].name: expected a name of its own, found \"p\" again");
    let many: String = (0..65).map(|n| format!("[[policy]]\nname = \"p{n}\"\nmatch = {{ statuses = [404] }}\n")).collect();
    assert_eq!(below(&many), "v.toml:198:1: policy: expected at most 64 with content_types or statuses, found more");
    let named = "[[upstream]]\nname = \"u\"\nservers = [\"http://h\"]\n[[route]]\nupstream = \"u\"\npolicy = \"p\"\n\
                 [[policy]]\nname = \"p\"\nmatch = { statuses = [404] }\n";
    assert_eq!(
        below(named),
        "v.toml:11:10: route[0].policy: expected the name of a [[policy]] without content_types and statuses, found \"p\""
    );
}

/// One way to say it, names that can be names, and no credential among them.
#[test]
fn query_rules_are_unmistakable() {
    let forms = "{ keep = [\"id\"] } or { drop = [\"utm_*\"] }";
    let name = "a parameter such as \"page\" or \"utm_*\", without percent-encoding";
    let credential = "expected no name of credentials.query, found \"access_token\"; requests with it carry a credential, which no \
                      query rule applies to: leave it out here";
    let refused = [
        ("\"some\"", format!("query: expected \"all\", \"none\", \"sorted\", {forms}, found \"some\"")),
        ("\"sortd\"", format!("query: expected \"all\", \"none\", \"sorted\", {forms}, found \"sortd\"; did you mean `sorted`?")),
        ("3", format!("query: expected \"all\", \"none\", \"sorted\", {forms}, found 3")),
        ("{}", format!("query: expected {forms}, found neither")),
        ("{ keep = [\"a\"], drop = [\"b\"] }", format!("query: expected {forms}, found both")),
        ("{ keep = [] }", "query.keep: expected at least one, found an empty array".to_owned()),
        ("{ drop = [\"a\", \"a\"] }", "query.drop: expected each once, found one again".to_owned()),
        ("{ drop = \"a\" }", "query.drop: expected an array, found \"a\"".to_owned()),
        ("{ drop = [\"a\"], sort = true }", "query.sort: expected a known key, found `sort`; known here: keep, drop".to_owned()),
        ("{ drop = [\"a=b\"] }", format!("query.drop[0]: expected {name}, found \"a=b\"")),
        ("{ keep = [\"a\", \"b&c\"] }", format!("query.keep[1]: expected {name}, found \"b&c\"")),
        ("{ drop = [\"*\"] }", format!("query.drop[0]: expected {name}, found \"*\"")),
        ("{ drop = [\"%61\"] }", format!("query.drop[0]: expected {name}, found \"%61\"")),
        ("{ drop = [\"access_token\"] }", format!("query: {credential}")),
        ("{ keep = [\"id\", \"Access_Token\"] }", format!("query: {credential}")),
    ];
    for (value, expect) in refused {
        let found = below(&format!("[[policy]]\nname = \"p\"\nquery = {value}"));
        assert!(found.ends_with(&format!("policy[0].{expect}")) && found.lines().count() == 1, "{value}: {found}");
    }
    for value in ["\"all\"", "\"none\"", "\"sorted\"", "{ keep = [\"id\", \"a[]\"] }", "{ drop = [\"utm_*\", \"access*\"] }"] {
        assert_eq!(below(&format!("[[policy]]\nname = \"p\"\nquery = {value}")), "", "{value}");
    }
    let ruled = "[[policy]]\nname = \"p\"\nquery = { drop = [\"utm_*\", \"ref\"] }\n".to_owned() + LISTENER;
    let shown = config::describe(&config::parse(&ruled, "v.toml", std::path::Path::new(".")).unwrap());
    assert!(shown.contains("query         left out: utm_*, ref; in keys of requests without credentials"), "{shown}");
    let unlisted = "[[policy]]\nname = \"p\"\ncredentials = { query = [] }\nquery = { drop = [\"access_token\"] }";
    assert_eq!(below(unlisted), "");
}

/// `negative_ttl`, `methods` and `max_object` of a policy.
#[test]
fn a_policy_keeps_within_its_own_and_the_cache_s_bounds() {
    let policy = |text: &str| below(&format!("[[policy]]\nname = \"p\"\n{text}"));
    let bound = "expected at most the 64MiB of cache.max_object and cache.memory, found more";
    for (text, expect) in [
        ("negative_ttl = \"2d\"", "policy[0].negative_ttl: expected at most max_ttl, found more".to_owned()),
        ("max_object = \"65MiB\"", format!("policy[0].max_object: {bound}")),
        ("match = { statuses = [404] }\nmax_object = \"65MiB\"", format!("policy[0].max_object: {bound}")),
        (
            "methods = [\"HEAD\"]",
            "policy[0].methods: expected \"GET\" among them, found none: nothing else fills the store; \
             to store nothing, set cache = \"bypass\""
                .to_owned(),
        ),
        (
            "methods = [\"GET\", \"PUT\"]",
            "policy[0].methods[1]: expected \"GET\" or \"HEAD\" or \"POST\", found \"PUT\"".to_owned(),
        ),
        ("methods = []", "policy[0].methods: expected at least one, found an empty array".to_owned()),
    ] {
        let found = policy(text);
        assert!(found.ends_with(&expect) && found.lines().count() == 1, "{text}: {found}");
    }
    let read = settings(&format!(
        "{LISTENER}[cache]\nmax_object = \"2MiB\"\n[[policy]]\nname = \"default\"\nmax_object = \"2MiB\"\nnegative_ttl = \"1m\"\n\
         methods = [\"GET\"]\n"
    ));
    let policy = &read.policies[0];
    assert_eq!((policy.max_object_bytes, policy.negative_ttl), (Some(2 << 20), Some(Duration::from_secs(60))));
    assert_eq!((policy.methods.head, policy.methods.post), (false, false));
    let shown = config::describe(&read);
    for line in ["errors        fresh for 1m", "largest body  2MiB", "methods       GET\n"] {
        assert!(shown.contains(line), "{line} in\n{shown}");
    }
}

/// The warnings of a text below the listener and an upstream, one a line.
fn warnings(text: &str) -> String {
    let upstream = "[[upstream]]\nname = \"u\"\nservers = [\"http://h\"]\n";
    settings(&format!("{LISTENER}{text}{upstream}")).warnings.join("\n")
}

#[test]
fn policies_that_cannot_do_what_was_meant_are_warned_of() {
    let one = |name: &str, lines: &str| format!("[[policy]]\nname = \"{name}\"\n{lines}\n");
    let never = |at: &str, index: usize, before: &str| {
        format!(
            "v.toml:{at}: policy[{index}]: expected a policy that may be chosen, found one that never is: \"{before}\" before it fits all that it fits; "
        )
    };
    let wide = one("wide", "match = { hosts = [\"*.a.org\"] }");
    let narrow = one("narrow", "match = { hosts = [\"www.a.org\"], paths = [\"/x\"] }");
    let remedy = "put it before that one, narrow that one's match, or name it in a route";
    assert_eq!(warnings(&format!("{wide}{narrow}")), format!("{}{remedy}", never("9:1", 1, "wide")));
    assert_eq!(warnings(&format!("{narrow}{wide}")), "");
    let route = "[[route]]\nupstream = \"u\"\npolicy = \"narrow\"\n";
    assert_eq!(warnings(&format!("{wide}{narrow}{route}")), "", "a route names it");
    let rest = format!("{}{}", one("default", "max_ttl = \"5s\""), one("all", "max_ttl = \"6s\""));
    assert_eq!(warnings(&rest), format!("{}give \"all\" a match, or leave this one out", never("6:1", 0, "all")));
    assert_eq!(warnings(&one("all", "max_ttl = \"6s\"")), "", "nothing is written for the rest");

    let errors = one("errors", "match = { statuses = [\"4xx\", \"5xx\"] }\ncache = \"bypass\"");
    let missing = one("missing", "match = { statuses = [404], content_types = [\"text/html\"] }\nmax_ttl = \"5s\"");
    let remedy = "put it before that one, or narrow that one's match";
    assert_eq!(warnings(&format!("{errors}{missing}")), format!("{}{remedy}", never("10:1", 1, "errors")));
    assert_eq!(warnings(&format!("{missing}{errors}")), "");

    for (text, expect) in [
        (
            one("p", "cache = \"bypass\"\nmax_ttl = \"5s\"\npartition = \"credential\"\ncredentials = { headers = [\"X-Key\"] }"),
            "v.toml:8:9: policy[0].cache: expected nothing about entries beside \"bypass\", found partition, max_ttl; \
             nothing is stored, leave that out",
        ),
        (
            one("p", "match = { statuses = [404] }\ncache = \"bypass\"\nmax_ttl = \"5s\""),
            "v.toml:9:9: policy[0].cache: expected nothing about entries beside \"bypass\", found max_ttl; nothing is stored, leave that out",
        ),
        (
            one("p", "match = { statuses = [404, 401, 206] }\nmax_ttl = \"5s\""),
            "v.toml:8:9: policy[0].match.statuses: expected statuses that may be stored, found 206, which never is: \
             nothing is decided by it\n\
             v.toml:8:9: policy[0].match.statuses: expected statuses that may be stored, found 401, which never is: \
             nothing is decided by it",
        ),
        (one("p", "match = { statuses = [\"5xx\"] }\nmax_ttl = \"5s\"\nnegative_ttl = \"5s\""), ""),
        (
            one("p", "match = { statuses = [\"2xx\", 403] }\nnegative_ttl = \"5s\""),
            "v.toml:9:16: policy[0].negative_ttl: expected statuses of which it speaks (404, 405, 410, 414, 501), found others: \
             it changes nothing",
        ),
        (
            one("p", "match = { statuses = [404] }"),
            "v.toml:6:1: policy[0]: expected a key that says what its responses are for, found none: it changes nothing",
        ),
        (format!("{}{errors}", one("p", "match = { statuses = [404] }")), ""),
    ] {
        assert_eq!(warnings(&text), expect, "{text}");
    }
    // `check` prints them and is content; a mistake elsewhere leaves only the mistake.
    let folder = folder(&[]);
    let file = folder.path().join("v.toml");
    fs::write(&file, format!("{LISTENER}{wide}{narrow}")).unwrap();
    let report = check::report(&file).unwrap();
    assert!(
        report.contains("\nwarning: ") && report.contains("v.toml:9:1: policy[1]: expected a policy that may be chosen"),
        "{report}"
    );
    assert_eq!(below(&format!("{wide}{narrow}[lag]\n")).lines().count(), 1);
}

#[test]
fn an_open_proxy_is_refused() {
    let rules = [
        ("", false),
        ("[[access]]\nname = \"a\"\nallow = true\n", false),
        ("[[access]]\nname = \"a\"\nallow = true\nhosts = [\"a.org\"]\n", false),
        ("[[access]]\nname = \"a\"\nallow = true\nnetworks = [\"0.0.0.0/0\"]\n", false),
        ("[[access]]\nname = \"a\"\nallow = true\nnetworks = [\"0.0.0.0/1\", \"128.0.0.0/1\"]\n", false),
        ("[[access]]\nname = \"a\"\nallow = false\nnetworks = [\"10.0.0.0/8\"]\n[[access]]\nname = \"b\"\nallow = true\n", false),
        ("[[access]]\nname = \"a\"\nallow = true\nnetworks = [\"10.0.0.0/8\"]\n", true),
        ("[[access]]\nname = \"a\"\nallow = false\n", true),
        ("[[access]]\nname = \"a\"\nallow = true\nusers = [\"alice\"]\n", true),
    ];
    for address in ["0.0.0.0:3128", "[::]:3128", "192.0.2.1:3128", "[::ffff:192.0.2.1]:3128"] {
        for (rule, expect) in rules {
            let found = mistakes(&format!("{}{rule}", LISTENER.replace("127.0.0.1:0", address)));
            assert_eq!(found.is_empty(), expect, "{address} {rule}: {found}");
        }
    }
    for address in ["127.0.0.1:3128", "[::1]:3128", "[::ffff:127.0.0.1]:3128"] {
        assert_eq!(mistakes(&LISTENER.replace("127.0.0.1:0", address)), "", "{address}");
    }
    assert_eq!(
        mistakes(&LISTENER.replace("127.0.0.1:0", "0.0.0.0:3128")),
        "v.toml:1:1: listener[0]: expected auth, a loopback address, or networks in every [[access]] rule that allows, \
         found an open proxy on 0.0.0.0:3128"
    );
}

/// Where nobody is asked for a name, all are nobody.
#[test]
fn a_partition_by_principal_needs_a_listener_that_asks() {
    let policy = |value: &str| format!("[[policy]]\nname = \"p\"\npartition = \"{value}\"\n");
    assert_eq!(
        mistakes(&format!("{LISTENER}{}", policy("principal"))),
        "v.toml:1:1: listener[0]: expected a listener that asks for credentials because policy \"p\" has partition = \"principal\", \
         found auth = \"none\"; set auth, or partition = \"credential\""
    );
    let asks = LISTENER.replace("\"none\"", "\"proxy\"").replace("\"l\"", "\"asks\"");
    let users = "[auth.basic]\nhtpasswd = \"users.htpasswd\"\n";
    assert_eq!(mistakes(&format!("{LISTENER}{asks}{users}{}", policy("principal"))), "");
    assert_eq!(mistakes(&format!("{LISTENER}{}", policy("credential"))), "");
    assert_eq!(
        mistakes(&format!("{LISTENER}{}", policy("user"))),
        "v.toml:8:13: policy[0].partition: expected \"none\" or \"credential\" or \"principal\", found \"user\""
    );
}

#[test]
fn n137_basic_in_clear_is_refused_unless_allowed() {
    let text = |address: &str, more: &str| {
        let listener = LISTENER.replace("127.0.0.1:0", address).replace("\"none\"", "\"proxy\"");
        format!("{listener}{more}[auth.basic]\nhtpasswd = \"users.htpasswd\"\n")
    };
    assert_eq!(
        mistakes(&text("0.0.0.0:3128", "")),
        "v.toml:1:1: listener[0]: expected TLS or a loopback address because Basic is offered, found 0.0.0.0:3128 in clear; \
         set tls, take \"basic\" out of auth.schemes, or set auth.basic.allow_cleartext = true"
    );
    assert_eq!(mistakes(&text("127.0.0.1:3128", "")), "");
    assert_eq!(mistakes(&text("0.0.0.0:3128", "tls = { certificate = \"s.pem\", key = \"s.key\" }\n")), "");
    assert_eq!(mistakes(&format!("{}allow_cleartext = true", text("0.0.0.0:3128", ""))), "");
    let digest = "[auth]\nschemes = [\"digest\"]\n[auth.digest]\nhtdigest = \"users.htdigest\"\n";
    assert_eq!(mistakes(&text("0.0.0.0:3128", digest)), "");
}

#[test]
fn a_listener_that_asks_needs_users() {
    let asks = LISTENER.replace("\"none\"", "\"proxy\"");
    assert_eq!(
        mistakes(&asks),
        "v.toml:1:1: listener[0]: expected users because auth is \"proxy\", found no password file; \
         set auth.digest.htdigest or auth.basic.htpasswd, or auth = \"none\" here"
    );
    let basic_only = "[auth]\nschemes = [\"basic\"]\n[auth.digest]\nhtdigest = \"users.htdigest\"\n";
    let found = mistakes(&format!("{asks}{basic_only}"));
    assert!(found.ends_with("set auth.basic.htpasswd, or auth = \"none\" here"), "{found}");
    // A scheme without users is not offered; the other is.
    let read = settings(&format!("{asks}[auth.basic]\nhtpasswd = \"users.htpasswd\"\n"));
    assert_eq!(read.auth.schemes, [AuthScheme::Basic]);
    assert!(read.auth.basic.htpasswd.unwrap().is_absolute());
}

#[test]
fn listeners_that_cannot_work_are_refused() {
    let gateway = LISTENER.replace("forward", "gateway");
    let found = mistakes(&gateway);
    assert_eq!(found, "v.toml:1:1: listener[0]: expected at least one [[route]] for a gateway, found none");
    let fixed = LISTENER.replace(":0", ":3128");
    let second = fixed.replace("\"l\"", "\"m\"");
    assert_eq!(
        mistakes(&format!("{fixed}{second}[admin]\naddress = \"127.0.0.1:3128\"")),
        "v.toml:1:1: listener[0]: expected an address of its own, found 127.0.0.1:3128 again\n\
         v.toml:6:1: listener[1]: expected an address of its own, found 127.0.0.1:3128 again"
    );
    assert_eq!(
        mistakes(&format!("{LISTENER}{LISTENER}")),
        "v.toml:6:1: listener[1]: expected a name of its own, found \"l\" again"
    );
    assert_eq!(
        mistakes(&format!("{fixed}[[upstream]]\nname = \"u\"\nservers = [\"http://127.0.0.1:3128\"]")),
        "v.toml:6:1: upstream[0]: expected servers other than our own listeners, found http://127.0.0.1:3128"
    );
    let origin = "[[upstream]]\nname = \"u\"\nservers = [\"http://127.0.0.1:9128\"]\n";
    assert!(
        below(&format!("{origin}[admin]\naddress = \"127.0.0.1:9128\"")).contains("upstream[0]: expected servers other than")
    );
    assert!(
        below(&format!("{origin}[admin]\naddress = \"0.0.0.0:9128\"\ntoken_file = \"t\""))
            .contains("upstream[0]: expected servers")
    );
    assert_eq!(
        below("[admin]\naddress = \"0.0.0.0:9128\""),
        "v.toml:7:11: admin.token_file: expected a value because 0.0.0.0:9128 is not loopback, found none"
    );
    assert_eq!(below("[admin]\naddress = \"0.0.0.0:9128\"\ntoken_file = \"t\""), "");
}

#[test]
fn names_are_unique_and_the_default_policy_has_no_match() {
    let route = "[[route]]\nupstream = \"u\"\n";
    let upstream = "[[upstream]]\nname = \"u\"\nservers = [\"http://127.0.0.1:1\"]\n";
    assert_eq!(
        below(&format!("{upstream}{upstream}")),
        "v.toml:10:8: upstream[1].name: expected a name of its own, found \"u\" again"
    );
    assert_eq!(
        below(&format!("{upstream}{route}{route}")),
        "v.toml:11:1: route[1]: expected a host and path of its own, found * /* again"
    );
    let rule = "[[access]]\nname = \"a\"\nallow = true\n";
    assert_eq!(below(&format!("{rule}{rule}")), "v.toml:10:8: access[1].name: expected a name of its own, found \"a\" again");
    let policy = "[[policy]]\nname = \"default\"\n";
    assert_eq!(
        below(&format!("{policy}{policy}")),
        "v.toml:9:8: policy[1].name: expected a name of its own, found \"default\" again"
    );
    assert_eq!(
        below(&format!("{policy}match = {{ hosts = [\"a\"] }}")),
        "v.toml:8:9: policy[0].match: expected no match on the policy \"default\", which applies to the rest, found one"
    );
    assert_eq!(
        below("[[policy]]\nname = \"p\"\nmin_ttl = \"2d\""),
        "v.toml:8:11: policy[0].min_ttl: expected at most max_ttl, found more"
    );
}

#[test]
fn md5_is_offered_only_by_name() {
    assert_eq!(settings(LISTENER).auth.digest.algorithms, [DigestAlgorithm::Sha256]);
    let listed = settings(&format!("{LISTENER}[auth.digest]\nalgorithms = [\"SHA-512-256\", \"SHA-256\", \"MD5\"]"));
    assert_eq!(listed.auth.digest.algorithms, [DigestAlgorithm::Sha512_256, DigestAlgorithm::Sha256, DigestAlgorithm::Md5]);
    assert_eq!(
        below("[auth.digest]\nalgorithms = []"),
        "v.toml:7:14: auth.digest.algorithms: expected at least one, found an empty array"
    );
    assert_eq!(
        below("[auth]\nschemes = [\"basic\", \"basic\"]"),
        "v.toml:7:11: auth.schemes: expected each once, found one again"
    );
}

#[test]
fn what_is_written_is_what_is_in_force() {
    let read = settings(
        r#"
        [[listener]]
        name = "www"
        address = "127.0.0.1:8080"
        mode = "gateway"
        auth = "none"
        trusted_peers = ["10.0.0.1"]
        [[upstream]]
        name = "a"
        servers = ["http://127.0.0.1:1"]
        [[upstream]]
        name = "b"
        servers = ["https://b.example.com", "http://[::1]:8000"]
        [[route]]
        host = "*.Example.com"
        path = "/v1/*"
        upstream = "b"
        policy = "default"
        [[policy]]
        name = "default"
        max_ttl = "2h"
        [[policy]]
        name = "api"
        heuristic = false
        [cache]
        memory = "32MiB"
        [log]
        access = "access.log"
        "#,
    );
    let listener = &read.listeners[0];
    assert_eq!((listener.mode, listener.auth), (Mode::Gateway, ListenerAuth::None));
    assert_eq!(listener.targeted_fields, ["cdn-cache-control"]);
    assert_eq!(listener.trusted_peers[0].to_string(), "10.0.0.1/32");
    assert_eq!(read.upstreams[1].servers[0].to_string(), "https://b.example.com:443");
    assert_eq!(read.routes[0].host, HostPattern::Below(".example.com".into()));
    assert_eq!(read.routes[0].path, PathPattern::Prefix("/v1/".into()));
    // The policy named default is last, wherever it is written, and routes find it there.
    let names: Vec<&str> = read.policies.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, ["api", "default"]);
    assert_eq!((read.routes[0].upstream, read.routes[0].policy), (1, Some(1)));
    assert_eq!(read.policies[1].max_ttl, Duration::from_secs(7_200));
    assert!(!read.policies[0].heuristic);
    assert_eq!((read.cache.memory_bytes, read.cache.max_object_bytes), (32 << 20, 32 << 20));
    assert!(matches!(read.log.access, AccessLogTarget::File(path) if path.ends_with("access.log")));
}

#[test]
fn the_embedded_default_is_a_guarded_forward_proxy_on_loopback() {
    let read = config::embedded_default("correct horse".to_owned());
    let listener = &read.listeners[0];
    assert_eq!((listener.address.to_string().as_str(), listener.mode), ("127.0.0.1:3128", Mode::Forward));
    assert_eq!(listener.auth, ListenerAuth::Proxy);
    assert_eq!(read.auth.schemes, [AuthScheme::Digest, AuthScheme::Basic]);
    assert_eq!(read.auth.digest.algorithms, [DigestAlgorithm::Sha256]);
    assert_eq!(read.auth.builtin_user.as_ref().unwrap().name, "guest");
    assert_eq!(read.cache.memory_bytes, 256 << 20);
    assert_eq!(read.admin.as_ref().unwrap().address.to_string(), "127.0.0.1:9128");
    assert_eq!(read.policies.len(), 1);
    for shown in [format!("{read:?}"), config::describe(&read)] {
        assert!(!shown.contains("correct horse"), "{shown}");
    }
}

#[test]
fn check_describes_what_is_in_force() {
    let folder = folder(&["users.htdigest"]);
    let path = folder.path().join("v.toml");
    let text = "[auth.digest]\nhtdigest = \"users.htdigest\"\n[[access]]\nname = \"staff\"\nallow = true\nusers = [\"alice\"]\n\
         hosts = [\"*.example.com\"]\n[limits]\nheader_time = \"5s\"\n[[listener]]\nname = \"edge\"\naddress = \"0.0.0.0:3128\"\nmode = \"forward\"\n";
    fs::write(&path, text).unwrap();
    let report = check::report(&path).unwrap().replace(&folder.path().display().to_string(), "DIR");
    let expect = r#"listeners
  edge (forward) on 0.0.0.0:3128
    credentials   required, asked for with 407 (digest)
    transport     clear text
    destinations  the public internet and no other network; CONNECT to 443; plain requests to 80, 443, 8080
    believes      no Forwarded or X-Forwarded-* of any peer
    obeys         no targeted field, Cache-Control only
admin
  none
auth, realm "vouchsafe"
  digest: users in DIR/users.htdigest; SHA-256; nonces good for 5m
access, first match decides
  staff: allow users alice; hosts *.example.com
  otherwise: refuse
routes, most specific host and longest path win
  none
cache
  memory 256MiB, largest body 64MiB, wait for equal requests 1s
  policy default for the rest
    authorization standard
    partition     none: whatever is permitted answers everybody
    anonymous     reuse
    set-cookie    refuse
    credentials   Authorization; query access_token
    lifetimes     default 0s, heuristic on, from 0s to 1d; stale when disconnected up to 1h, on errors up to 0s, while revalidating up to 0s
    requests      directives obeyed: all
    validations   shared by requests that the origin cannot tell apart
    variants      languages and codings by meaning; of one key: 64
log
  json; access log on standard error
limits
  header_time 5s (default 10s)
"#;
    assert_eq!(report, expect);
    set_mode(&folder.path().join("users.htdigest"), 0o644);
    let warned = check::report(&path).unwrap();
    assert!(warned.contains("\nwarning: ") && warned.contains("everybody on this machine may read"), "{warned}");
}

#[test]
fn a_file_that_cannot_be_read_is_one_mistake() {
    let folder = folder(&[]);
    let missing = folder.path().join("none.toml");
    let report = check::report(&missing).unwrap_err();
    assert_eq!(report, format!("{}: expected a readable text file, found: entity not found", missing.display()));
    fs::write(&missing, [0xff, 0xfe]).unwrap();
    assert!(check::report(&missing).unwrap_err().ends_with("found: text that is not UTF-8"));
    assert!(check::report(folder.path()).unwrap_err().ends_with("found: is a directory"));
    let found = mistakes_in(&format!("{LISTENER}[auth.basic]\nhtpasswd = \".\""), &folder);
    assert!(found.ends_with("expected a readable file at DIR/., found something that is no file"), "{found}");
}

/// A seeded generator; the seed is in the message of a failure.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end.max(1) as u64).unwrap()
    }
}

/// Cuts, repeats, replaces and inserts pieces of a text.
fn mutate(text: &str, random: &mut Random) -> String {
    const PIECES: [&str; 16] =
        ["\"", "[", "]", "[[", "{", "}", "=", "\n", ".", "\u{e9}", "'''", "0", "-1", "true", "\\", "9999999999999999999999"];
    let mut letters: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(4) {
        let at = random.below(letters.len() + 1);
        let end = (at + random.below(12)).min(letters.len());
        match random.below(4) {
            0 => drop(letters.drain(at..end)),
            1 => letters.splice(at..at, letters[at..end].to_vec()).for_each(drop),
            2 => letters.splice(at..end, PIECES[random.below(16)].chars()).for_each(drop),
            _ => letters.splice(at..at, PIECES[random.below(16)].chars()).for_each(drop),
        }
    }
    letters.into_iter().collect()
}

#[test]
fn no_mutation_of_a_configuration_panics() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/reference.toml")).unwrap();
    let plain: String = text.lines().map(|line| line.split("  #").next().unwrap().trim_end().to_owned() + "\n").collect();
    let folder = folder(&["users.htpasswd", "users.htdigest", "server.pem", "server.key", "admin.token", "roots.pem"]);
    let candidate = "[[listener]]\nname = \"edge\"\naddress = \"127.0.0.1:0\"\nmode = \"forward\"\nauth = \"none\"\n";
    fs::write(folder.path().join("candidate.toml"), candidate).unwrap();
    let seed = 0x5eed_0001;
    let mut random = Random(seed);
    let (mut good, mut bad) = (0, 0);
    for round in 0..2_000 {
        let mutant = mutate(&plain, &mut random);
        match config::parse(&mutant, "m.toml", folder.path()) {
            Ok(read) => {
                good += 1;
                assert!(config::describe(&read).ends_with('\n'), "seed {seed} round {round}");
                assert_eq!(read.policies.last().unwrap().name, "default", "seed {seed} round {round}");
                assert!(read.routes.iter().all(|route| route.upstream < read.upstreams.len()), "seed {seed} round {round}");
            }
            Err(errors) => {
                bad += 1;
                assert!(
                    errors.to_string().lines().all(|line| line.starts_with("m.toml:")),
                    "seed {seed} round {round}: {errors}"
                );
            }
        }
    }
    assert!(good > 0 && bad > 1_000, "{good} good, {bad} bad");
}
