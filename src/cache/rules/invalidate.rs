//! Which stored responses an unsafe request makes unusable.
//!
//! RFC 9111 section 4.4.
//!
//! # Deviations
//!
//! - `Location` and `Content-Location` are followed when they are absolute URIs or absolute paths of
//!   the same origin (a MAY); other relative references are not.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode, Uri};

use crate::target::Target;

/// Does a response to this method invalidate what is stored for its target URI?
///
/// Unsafe methods do, and methods whose safety is unknown; only a non-error response counts. QUERY is
/// safe (RFC 10008).
///
/// Source: RFC 9111 section 4.4, RFC 9110 section 9.2.1.
#[must_use]
pub fn invalidates(method: &Method, status: StatusCode) -> bool {
    let is_safe = matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE" | "QUERY" | "CONNECT");
    !is_safe && (status.is_success() || status.is_redirection())
}

/// The path-and-query parts of the same origin, other than the target's, that are invalidated too.
///
/// Source: RFC 9111 section 4.4: never across origins.
pub fn related_paths<'a>(target: &'a Target, response: &'a HeaderMap) -> impl Iterator<Item = Box<str>> + 'a {
    [header::LOCATION, header::CONTENT_LOCATION]
        .into_iter()
        .filter_map(move |name| path_of(target, response.get(name)?))
        .filter(|path| *path != target.path_and_query)
}

/// Does the response say that it is a representation of the target URI itself?
///
/// Source: RFC 9110 section 8.7.
#[must_use]
pub fn is_located_at(target: &Target, response: &HeaderMap) -> bool {
    let mut lines = response.get_all(header::CONTENT_LOCATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return false };
    path_of(target, line).is_some_and(|path| path == target.path_and_query)
}

/// Path and query of a reference to the target's own origin.
fn path_of(target: &Target, reference: &HeaderValue) -> Option<Box<str>> {
    let value = reference.to_str().ok()?;
    let uri: Uri = value.parse().ok()?;
    let is_same_origin = match (uri.scheme_str(), uri.authority()) {
        (None, None) => value.starts_with('/') && !value.starts_with("//"),
        (Some(scheme), Some(authority)) => is_origin_of(target, scheme, authority.as_str()),
        _ => false,
    };
    is_same_origin.then(|| uri.path_and_query().map_or("/", |path| path.as_str()).into())
}

fn is_origin_of(target: &Target, scheme: &str, authority: &str) -> bool {
    let with_port = format!("{}:{}", target.host, target.port);
    let is_default = target.port == target.scheme.default_port();
    scheme.eq_ignore_ascii_case(target.scheme.as_str())
        && (authority.eq_ignore_ascii_case(&with_port)
            || (is_default && authority.eq_ignore_ascii_case(&target.host.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Host, Scheme};

    #[test]
    fn n094_x034_unsafe_and_unknown_methods_invalidate_on_success_only() {
        for method in ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "PURGE", "get"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert!(invalidates(&method, StatusCode::OK) && invalidates(&method, StatusCode::FOUND), "{method}");
            assert!(
                !invalidates(&method, StatusCode::INTERNAL_SERVER_ERROR) && !invalidates(&method, StatusCode::FORBIDDEN),
                "{method}"
            );
        }
        for method in ["GET", "HEAD", "OPTIONS", "QUERY"] {
            assert!(!invalidates(&Method::from_bytes(method.as_bytes()).unwrap(), StatusCode::OK), "{method}");
        }
    }

    #[test]
    fn n096_related_uris_of_other_origins_are_left_alone() {
        let target =
            Target { scheme: Scheme::Http, host: Host::parse("a.example").unwrap(), port: 80, path_and_query: "/x".into() };
        let related = |value: &str| {
            let mut fields = HeaderMap::new();
            fields.insert(header::LOCATION, HeaderValue::from_str(value).unwrap());
            related_paths(&target, &fields).next().map(String::from)
        };
        assert_eq!(related("/y?q"), Some("/y?q".into()));
        assert_eq!(related("http://A.example/y"), Some("/y".into()));
        assert_eq!(related("http://a.example:80/y"), Some("/y".into()));
        for other in [
            "http://b.example/y",
            "https://a.example/y",
            "http://a.example:81/y",
            "//b.example/y",
            "y",
            "http://a.example.evil/y",
        ] {
            assert_eq!(related(other), None, "{other}");
        }
        assert_eq!(related("/x"), None, "the target itself");
    }

    #[test]
    fn n035_a_content_location_is_the_target_or_something_else() {
        let target =
            Target { scheme: Scheme::Http, host: Host::parse("a.example").unwrap(), port: 80, path_and_query: "/x?q".into() };
        let located = |lines: &[&str]| {
            let mut fields = HeaderMap::new();
            for line in lines {
                fields.append(header::CONTENT_LOCATION, HeaderValue::from_str(line).unwrap());
            }
            is_located_at(&target, &fields)
        };
        for same in ["/x?q", "http://a.example/x?q", "http://A.EXAMPLE:80/x?q"] {
            assert!(located(&[same]), "{same}");
        }
        for other in ["/x", "/X?q", "x?q", "/x?q=", "https://a.example/x?q", "http://b.example/x?q", "//a.example/x?q", ""] {
            assert!(!located(&[other]), "{other}");
        }
        assert!(!located(&[]) && !located(&["/x?q", "/x?q"]));
    }
}
