//! Exchanges as spans of a trace, told to a collector: OTLP over HTTP, encoded as JSON.
//!
//! OpenTelemetry Protocol 1 (section OTLP/HTTP, JSON Protobuf Encoding); semantic conventions for HTTP spans. One span for each
//! recorded exchange, and one below it for each request to an origin. Nobody waits for the collector: what it does not take is
//! dropped and counted. No span has a query, a credential or a user name.
//!
//! Without the feature `otel` there is no [`Exporter`], and every question after one is answered by the compiler.
//!
//! # Deviations
//!
//! - What fails is not sent again (OTLP 1 says SHOULD for 429, 502, 503 and 504): an agent beside the gateway has the memory
//!   for that.

#[cfg(not(feature = "otel"))]
mod absent;
#[cfg(feature = "otel")]
mod encode;
#[cfg(feature = "otel")]
mod exporter;
#[cfg(feature = "otel")]
mod post;
#[cfg(feature = "otel")]
#[cfg(test)]
mod tests;

#[cfg(not(feature = "otel"))]
pub use absent::Exporter;
#[cfg(feature = "otel")]
pub use exporter::Exporter;
