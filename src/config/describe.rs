//! What is in force, for people: the output of `vouchsafe check`.
//!
//! RFC 9110 sections 11.6.1 and 11.7.1 (who asks for credentials), RFC 9111 section 3.5 (what a
//! policy can only tighten), RFC 9213 section 2.2.
//!
//! # Deviations
//!
//! none

use std::fmt::{Display, Write as _};
use std::time::Duration;

use super::quantities::{show_duration, show_size};
use super::settings::{
    AccessLogTarget, AccessRule, Auth, AuthScheme, CacheMethods, Forward, Limits, Listener, ListenerAuth, Mode, PartitionBy,
    Policy, PolicyMatch, ResponsePolicy, Settings,
};
use crate::cache::rules::canary::Share;

/// Describes the settings in force, with the security posture of every listener and without any
/// secret; ends with a newline.
#[must_use]
pub fn describe(settings: &Settings) -> String {
    let mut page = Page(String::new());
    page.head("listeners");
    for listener in &settings.listeners {
        describe_listener(&mut page, listener, settings);
    }
    describe_admin(&mut page, settings);
    describe_auth(&mut page, &settings.auth);
    page.head("access, first match decides");
    describe_rules(&mut page, &settings.access);
    describe_routing(&mut page, settings);
    describe_cache(&mut page, settings);
    page.head("log");
    let format = if settings.log.json { "json" } else { "text" };
    page.line(&match &settings.log.access {
        AccessLogTarget::Stderr => format!("{format}; access log on standard error"),
        AccessLogTarget::File(path) => format!("{format}; access log in {}", path.display()),
        AccessLogTarget::Off => format!("{format}; no access log"),
    });
    if let Some(collector) = &settings.trace.collector {
        page.line(&format!("traces to {collector}; {} of exchanges", settings.trace.sample));
    }
    describe_limits(&mut page, &settings.limits);
    page.0
}

/// Text in sections: heads at the margin, lines indented.
struct Page(String);

impl Page {
    fn head(&mut self, title: &str) {
        self.put(title);
    }

    fn line(&mut self, text: &str) {
        self.put(&format!("  {text}"));
    }

    fn detail(&mut self, name: &str, text: &str) {
        self.put(&format!("    {name:<13} {text}"));
    }

    fn put(&mut self, line: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{line}");
    }
}

fn describe_listener(page: &mut Page, listener: &Listener, settings: &Settings) {
    page.line(&format!("{} ({}) on {}", listener.name, listener.mode.as_str(), listener.address));
    page.detail("credentials", &credentials(listener, &settings.auth));
    let transport = match &listener.tls {
        Some(tls) => format!("TLS, certificate {}", tls.certificate.display()),
        None if listener.address.ip().to_canonical().is_loopback() => "clear text, this machine only".to_owned(),
        None => "clear text".to_owned(),
    };
    page.detail("transport", &transport);
    page.detail("destinations", &destinations(listener.mode, &settings.forward));
    page.detail("believes", &list_or(&listener.trusted_peers, "no Forwarded or X-Forwarded-* of any peer"));
    page.detail("obeys", &list_or(&listener.targeted_fields, "no targeted field, Cache-Control only"));
}

/// Source: RFC 9110 sections 11.6.1 and 11.7.1.
fn credentials(listener: &Listener, auth: &Auth) -> String {
    let schemes = join(auth.schemes.iter().map(|scheme| scheme.as_str()));
    match listener.auth {
        ListenerAuth::Proxy => format!("required, asked for with 407 ({schemes})"),
        ListenerAuth::Origin => format!("required, asked for with 401 and consumed ({schemes})"),
        ListenerAuth::None => "nobody is asked".to_owned(),
    }
}

fn destinations(mode: Mode, forward: &Forward) -> String {
    if mode == Mode::Gateway {
        return "the upstreams of its routes".to_owned();
    }
    let networks = list_or(&forward.allow_networks, "no other network");
    let (connect, plain) = (list_or(&forward.connect_ports, "no port"), list_or(&forward.allow_ports, "no port"));
    format!("the public internet and {networks}; CONNECT to {connect}; plain requests to {plain}")
}

fn describe_admin(page: &mut Page, settings: &Settings) {
    page.head("admin");
    match &settings.admin {
        None => page.line("none"),
        Some(admin) => {
            let token = match &admin.token_file {
                Some(path) => format!("changes need the token in {}", path.display()),
                None => "changes need no token, this machine only".to_owned(),
            };
            page.line(&format!("on {}; {token}", admin.address));
        }
    }
}

fn describe_auth(page: &mut Page, auth: &Auth) {
    page.head(&format!("auth, realm \"{}\"", auth.realm));
    for scheme in &auth.schemes {
        let (file, detail) = match scheme {
            AuthScheme::Basic => (&auth.basic.htpasswd, format!("verdicts kept {}", show_duration(auth.basic.verdict_ttl))),
            AuthScheme::Digest => {
                let algorithms = join(auth.digest.algorithms.iter().map(|algorithm| algorithm.as_str()));
                (&auth.digest.htdigest, format!("{algorithms}; nonces good for {}", show_duration(auth.digest.nonce_lifetime)))
            }
        };
        let users = match (file, &auth.builtin_user) {
            (Some(path), _) => format!("users in {}", path.display()),
            (None, Some(user)) => format!("built-in user {}", user.name),
            (None, None) => "no users".to_owned(),
        };
        page.line(&format!("{}: {users}; {detail}", scheme.as_str()));
    }
    if auth.schemes.is_empty() {
        page.line("no scheme has users");
    }
}

fn describe_rules(page: &mut Page, rules: &[AccessRule]) {
    if rules.is_empty() {
        page.line("no rules: whoever a listener lets in may do everything");
    }
    for rule in rules {
        let conditions = [
            condition("users", &rule.users),
            condition("from", &rule.networks),
            condition("hosts", &rule.hosts),
            condition("ports", &rule.ports),
            condition("paths", &rule.paths),
            condition("methods", &rule.methods),
            condition("schemes", &rule.schemes.iter().map(|scheme| scheme.as_str()).collect::<Vec<_>>()),
        ];
        let verdict = if rule.allow { "allow" } else { "refuse" };
        page.line(&format!("{}: {verdict} {}", rule.name, all_of(&conditions)));
    }
    if !rules.is_empty() {
        page.line("otherwise: refuse");
    }
}

fn describe_routing(page: &mut Page, settings: &Settings) {
    page.head("routes, most specific host and longest path win");
    for route in &settings.routes {
        let upstream = settings.upstreams.get(route.upstream);
        let servers = upstream.map(|upstream| join(&upstream.servers)).unwrap_or_default();
        let name = upstream.map_or("", |upstream| upstream.name.as_str());
        let policy = route.policy.and_then(|at| settings.policies.get(at));
        let policy = policy.map_or_else(String::new, |policy| format!(", policy {}", policy.name));
        page.line(&format!("{} {} to {name} ({servers}){policy}", route.host, route.path));
    }
    if settings.routes.is_empty() {
        page.line("none");
    }
}

fn describe_cache(page: &mut Page, settings: &Settings) {
    let cache = &settings.cache;
    page.head("cache");
    let (memory, largest) = (show_size(cache.memory_bytes), show_size(cache.max_object_bytes));
    let wait = if cache.collapse_wait.is_zero() { "none".to_owned() } else { show_duration(cache.collapse_wait) };
    page.line(&format!("memory {memory}, largest body {largest}, wait for equal requests {wait}"));
    describe_policies(page, settings);
    if let Some(shadow) = &settings.shadow {
        page.head("shadow, evaluated without acting");
        page.line(&format!("policies and routes of {}", shadow.file.display()));
        describe_policies(page, &shadow.settings);
    }
}

fn describe_policies(page: &mut Page, settings: &Settings) {
    for policy in &settings.policies {
        let PolicyMatch { hosts, paths, methods } = &policy.matches;
        let conditions = [condition("hosts", hosts), condition("paths", paths), condition("methods", methods)];
        let applies = if policy.name == Policy::DEFAULT_NAME { "the rest".to_owned() } else { all_of(&conditions) };
        page.line(&format!("policy {} for {applies}", policy.name));
        describe_policy(page, policy);
    }
    for policy in &settings.response_policies {
        describe_response_policy(page, policy);
    }
}

/// Source: RFC 9111 sections 3.5 and 4.2.
fn describe_response_policy(page: &mut Page, policy: &ResponsePolicy) {
    let PolicyMatch { hosts, paths, methods } = &policy.matches;
    let conditions = [
        condition("content types", &policy.content_types),
        condition("statuses", &policy.statuses),
        condition("hosts", hosts),
        condition("paths", paths),
        condition("methods", methods),
    ];
    page.line(&format!("policy {} for responses with {}", policy.name, all_of(&conditions)));
    let changes = &policy.changes;
    let time = |duration: &Option<Duration>| duration.map(show_duration);
    let said = [
        ("caching", changes.bypass.then(|| "none".to_owned())),
        ("authorization", changes.authorization.map(|word| format!("{} at least", word.as_str()))),
        ("anonymous", changes.anonymous_entries.map(|word| format!("{} at least", word.as_str()))),
        ("set-cookie", changes.set_cookie.map(|word| word.as_str().to_owned())),
        ("heuristic", changes.heuristic.map(|is_on| if is_on { "on" } else { "off" }.to_owned())),
        ("default", time(&changes.default_ttl)),
        ("from", time(&changes.min_ttl)),
        ("to", time(&changes.max_ttl)),
        ("errors", time(&changes.negative_ttl)),
        ("largest body", changes.max_object_bytes.map(show_size)),
        ("stale", time(&changes.max_stale_disconnected).map(|time| format!("{time} when disconnected"))),
        ("stale", time(&changes.stale_if_error).map(|time| format!("{time} on errors"))),
        ("stale", time(&changes.stale_while_revalidate).map(|time| format!("{time} while revalidating"))),
    ];
    for (name, text) in said {
        text.into_iter().for_each(|text| page.detail(name, &text));
    }
}

/// Source: RFC 9111 sections 3.5 and 4.2.
fn describe_policy(page: &mut Page, policy: &Policy) {
    if policy.bypass {
        page.detail("caching", "none");
        return;
    }
    page.detail("authorization", policy.authorization.as_str());
    page.detail(
        "partition",
        match policy.partition {
            PartitionBy::Nothing => "none: whatever is permitted answers everybody",
            PartitionBy::Credential => "credential: a stored response answers requests with the credentials that filled it",
            PartitionBy::Principal => "principal: a stored response answers the verified user who filled it",
        },
    );
    page.detail("anonymous", policy.anonymous_entries.as_str());
    page.detail("set-cookie", policy.set_cookie.as_str());
    let credentials = &policy.credentials;
    let conditions = [
        condition("query", &credentials.query),
        condition("fields", &credentials.headers),
        condition("cookies", &credentials.cookies),
    ];
    let also: Vec<String> = conditions.into_iter().flatten().collect();
    page.detail("credentials", &format!("Authorization{}{}", if also.is_empty() { "" } else { "; " }, also.join("; ")));
    let heuristic = if policy.heuristic { "heuristic on" } else { "heuristic off" };
    page.detail(
        "lifetimes",
        &format!(
            "default {}, {heuristic}, from {} to {}; stale when disconnected up to {}, on errors up to {}, while revalidating up to {}",
            show_duration(policy.default_ttl),
            show_duration(policy.min_ttl),
            show_duration(policy.max_ttl),
            show_duration(policy.max_stale_disconnected),
            show_duration(policy.stale_if_error),
            show_duration(policy.stale_while_revalidate),
        ),
    );
    describe_bounds(page, policy);
    let directives = if policy.ignore_request_cache_control { "only no-store and only-if-cached" } else { "all" };
    page.detail("requests", &format!("directives obeyed: {directives}"));
    let shared = if policy.share_validations { "shared by requests that the origin cannot tell apart" } else { "one a request" };
    page.detail("validations", shared);
    if policy.canary > Share::NONE {
        page.detail(
            "canary",
            &format!("{} of reuses across requesters are compared with the origin's own answer", policy.canary),
        );
    }
    if policy.query.mark().is_some() {
        page.detail("query", &format!("{}; in keys of requests without credentials, the origin gets it as sent", policy.query));
    }
    let by = if policy.vary_normalise { "languages and codings by meaning" } else { "every field as spelled" };
    page.detail("variants", &format!("{by}; of one key: {}", policy.vary_limit));
}

/// What a policy says besides its defaults.
fn describe_bounds(page: &mut Page, policy: &Policy) {
    if let Some(negative) = policy.negative_ttl {
        page.detail("errors", &format!("fresh for {} where they state no lifetime", show_duration(negative)));
    }
    if let Some(most) = policy.max_object_bytes {
        page.detail("largest body", &show_size(most));
    }
    match policy.methods {
        CacheMethods { head: true, post: true } => {}
        CacheMethods { head, post } => {
            let methods = ["GET"].into_iter().chain(head.then_some("HEAD")).chain(post.then_some("POST"));
            page.detail("methods", &join(methods));
        }
    }
}

/// Every limit that is not at its default.
fn describe_limits(page: &mut Page, limits: &Limits) {
    page.head("limits");
    let (now, default) = (limit_texts(limits), limit_texts(&Limits::default()));
    let changed: Vec<_> = now.iter().zip(&default).filter(|(now, default)| now != default).collect();
    for ((name, now), (_, default)) in &changed {
        page.line(&format!("{name} {now} (default {default})"));
    }
    if changed.is_empty() {
        page.line("all at their defaults");
    }
}

fn limit_texts(limits: &Limits) -> [(&'static str, String); 9] {
    [
        ("header_bytes", show_size(limits.header_bytes as u64)),
        ("header_fields", limits.header_fields.to_string()),
        ("header_time", show_duration(limits.header_time)),
        ("idle_time", show_duration(limits.idle_time)),
        ("tunnel_idle_time", show_duration(limits.tunnel_idle_time)),
        ("connect_time", show_duration(limits.connect_time)),
        ("first_byte_time", show_duration(limits.first_byte_time)),
        ("drain_time", show_duration(limits.drain_time)),
        ("connections_per_address", limits.connections_per_address.to_string()),
    ]
}

/// `users a, b`, or nothing when the list is no condition.
fn condition<T: Display>(name: &str, list: &[T]) -> Option<String> {
    (!list.is_empty()).then(|| format!("{name} {}", join(list)))
}

fn all_of(conditions: &[Option<String>]) -> String {
    let stated: Vec<&str> = conditions.iter().flatten().map(String::as_str).collect();
    if stated.is_empty() { "everything".to_owned() } else { stated.join("; ") }
}

fn list_or<T: Display>(list: &[T], otherwise: &str) -> String {
    if list.is_empty() { otherwise.to_owned() } else { join(list) }
}

fn join<T: Display>(list: impl IntoIterator<Item = T>) -> String {
    list.into_iter().map(|one| one.to_string()).collect::<Vec<_>>().join(", ")
}
