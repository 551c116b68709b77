//! Message heads as people keep them: a start line and field lines, up to an empty line.
//!
//! RFC 9112 sections 3, 4 and 5. Line ends may be bare; `HTTP/2 200` as curl writes it is a status line as well. No message
//! repeats a value: it may be a credential.

use std::path::Path;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri};

/// Method, target and fields of a request.
///
/// # Errors
///
/// File and line of what is no request head.
pub(super) fn read_request(file: &Path) -> Result<(Method, Uri, HeaderMap), String> {
    let (start, fields) = read(file)?;
    let mut words = start.split(' ');
    let method = words.next().and_then(|word| Method::from_bytes(word.as_bytes()).ok());
    let uri = words.next().and_then(|word| word.parse().ok());
    let is_complete = words.next().is_none_or(|version| version.starts_with("HTTP/")) && words.next().is_none();
    match (method, uri) {
        (Some(method), Some(uri)) if is_complete => Ok((method, uri, fields)),
        _ => Err(format!(
            "{}:1: expected a request line such as \"GET http://example.com/x HTTP/1.1\", found something else",
            file.display()
        )),
    }
}

/// Status and fields of a response.
///
/// # Errors
///
/// File and line of what is no response head.
pub(super) fn read_response(file: &Path) -> Result<(StatusCode, HeaderMap), String> {
    let (start, fields) = read(file)?;
    let mut words = start.split(' ');
    let is_http = words.next().is_some_and(|version| version.starts_with("HTTP/"));
    let status = words.next().and_then(|word| word.parse().ok());
    match status {
        Some(status) if is_http => Ok((status, fields)),
        _ => Err(format!("{}:1: expected a status line such as \"HTTP/1.1 200 OK\", found something else", file.display())),
    }
}

fn read(file: &Path) -> Result<(String, HeaderMap), String> {
    let text = std::fs::read(file).map_err(|error| format!("{}: expected a readable file, found: {error}", file.display()))?;
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines().map(|line| line.trim_end_matches('\r')).take_while(|line| !line.is_empty());
    let start = lines.next().unwrap_or_default().to_owned();
    let mut fields = HeaderMap::new();
    for (at, line) in lines.enumerate() {
        let (name, value) = field(line)
            .ok_or_else(|| format!("{}:{}: expected \"Name: value\", found something else", file.display(), at + 2))?;
        fields.append(name, value);
    }
    Ok((start, fields))
}

/// One field line.
///
/// Source: RFC 9112 section 5: no white space before the colon.
pub(in crate::cli) fn field(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    Some((
        HeaderName::from_bytes(name.as_bytes()).ok()?,
        HeaderValue::from_bytes(value.trim_matches([' ', '\t']).as_bytes()).ok()?,
    ))
}
