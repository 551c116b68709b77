//! The real gateway, started in the test's process from a configuration file of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use vouchsafe::clock::Clock;
use vouchsafe::server::{Control, Reloaded, Server, Source};

use super::authority::Authority;
use super::client::{Client, basic};
use super::origin::Origin;

use super::toml::{ConfigText, password_of, write_users};
use super::wait::{eventually, within};

/// A running gateway; dropping it stops it.
pub struct Gateway {
    addresses: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
    control: Arc<Control>,
    directory: TempDir,
    config: ConfigText,
    first_origin: Option<(&'static str, String)>,
    authority: Option<Authority>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// A gateway that is being configured.
pub struct GatewayBuilder {
    clock: Clock,
    config: ConfigText,
    complete: Option<String>,
    first_origin: Option<(&'static str, String)>,
    authority: Option<Authority>,
}

impl Gateway {
    /// A forward proxy that asks for proxy authentication; name its destinations with [`GatewayBuilder::origin`].
    pub fn forward(clock: &Clock) -> GatewayBuilder {
        GatewayBuilder::new(clock, ConfigText::new("forward", "proxy"))
    }

    /// A gateway in front of this origin, with one route for everything, that asks nobody for credentials.
    pub fn reverse(origin: &Origin, clock: &Clock) -> GatewayBuilder {
        GatewayBuilder::new(clock, ConfigText::new("gateway", "none")).origin(origin)
    }

    /// A gateway with this configuration text and nothing else.
    pub fn toml(text: impl Into<String>, clock: &Clock) -> GatewayBuilder {
        let mut builder = GatewayBuilder::new(clock, ConfigText::new("gateway", "none"));
        builder.complete = Some(text.into());
        builder
    }

    /// The address of the first listener.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// The addresses of all listeners, in order.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The address of the admin listener.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.expect("a gateway with an admin listener")
    }

    /// Puts another text into the configuration file and reloads it.
    ///
    /// # Errors
    ///
    /// The text of why it was refused.
    pub async fn reload(&self, change: impl FnOnce(String) -> String) -> Result<Reloaded, String> {
        let file = self.directory().join("test.toml");
        let text = std::fs::read_to_string(&file).expect("the configuration");
        std::fs::write(&file, change(text)).expect("a writable file");
        eventually("the server to run", || async {
            if self.control.addresses().await.is_empty() { Err("not yet".to_owned()) } else { Ok(()) }
        })
        .await;
        self.control.reload().await
    }

    /// A client of a listener that a reload may have added, by its index now.
    pub async fn anonymous_now_at(&self, listener: usize) -> Client {
        Client::to(self.control.addresses().await[listener]).host("app.test")
    }

    /// Where the configuration, the users and the access log are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A client of the first listener that is this user as far as the gateway asks: Basic in Proxy-Authorization
    /// (`auth = "proxy"`), in Authorization (`"origin"`), or nothing (`"none"`). Towards a forward proxy its paths belong
    /// to the first origin.
    pub fn client(&self, user: &str) -> Client {
        match self.config.auth {
            "proxy" => self.anonymous().proxy_user(user),
            "origin" => self.anonymous().authorization(&basic(user, &password_of(user))),
            _ => self.anonymous(),
        }
    }

    /// A client of the first listener without any credentials.
    pub fn anonymous(&self) -> Client {
        self.anonymous_at(0)
    }

    /// A client of a listener, by its index, without any credentials.
    pub fn anonymous_at(&self, listener: usize) -> Client {
        let mut client = Client::to(self.addresses[listener]);
        if let Some(authority) = &self.authority {
            client = client.tls(authority.ca_file());
        }
        match (&self.first_origin, self.config.mode) {
            (Some((scheme, authority)), "forward") => client.absolute(scheme, authority),
            _ => client.host("app.test"),
        }
    }

    /// A client of the admin listener.
    pub fn admin(&self) -> Client {
        Client::to(self.admin_address())
    }

    /// Begins to drain: no new connections; use [`Gateway::stopped`] to wait for the end.
    pub fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Drains, and waits until the gateway has ended.
    pub async fn stopped(mut self) {
        self.begin_stop();
        within("the gateway to stop", &mut self.task).await.expect("the gateway ends without a panic");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl GatewayBuilder {
    fn new(clock: &Clock, config: ConfigText) -> Self {
        Self { clock: clock.clone(), config, complete: None, first_origin: None, authority: None }
    }

    /// Lets the gateway reach this origin, which is dated by the gateway's clock unless it has one.
    pub fn origin(mut self, origin: &Origin) -> Self {
        origin.dated_by(&self.clock);
        self.first_origin.get_or_insert_with(|| (origin.scheme(), origin.address().to_string()));
        self.config.add_origin(origin);
        self
    }

    /// Lets a forward proxy reach this port of loopback.
    pub fn port(mut self, port: u16) -> Self {
        self.config.add_port(port);
        self
    }

    /// Who asks for credentials: `"proxy"`, `"origin"` or `"none"`.
    pub fn auth(mut self, auth: &'static str) -> Self {
        self.config.auth = auth;
        self
    }

    /// A line of the default policy: `authorization = "never"`.
    pub fn policy(self, line: &str) -> Self {
        self.set("policy", line)
    }

    /// A line of `[limits]`.
    pub fn limit(self, line: &str) -> Self {
        self.set("limits", line)
    }

    /// A line of a table: `set("auth.digest", "algorithms = [\"MD5\"]")`.
    pub fn set(mut self, table: &str, line: &str) -> Self {
        self.config.set(table, line);
        self
    }

    /// A line of every `[[listener]]`.
    pub fn listener(mut self, line: &str) -> Self {
        self.config.listener.push(line.to_owned());
        self
    }

    /// How many listeners there are, each on a port of its own.
    pub fn listeners(mut self, count: usize) -> Self {
        self.config.listeners = count;
        self
    }

    /// Whole tables at the end of the configuration: `[[access]]` and the like.
    pub fn append(mut self, tables: &str) -> Self {
        self.config.appended += tables;
        self.config.appended.push('\n');
        self
    }

    /// TLS on the listeners; clients of the gateway speak it and trust its authority.
    pub fn tls(self) -> Self {
        let authority = Authority::new();
        let (certificate, key) = (authority.certificate_file(), authority.key_file());
        let line = format!("tls = {{ certificate = \"{}\", key = \"{}\" }}", certificate.display(), key.display());
        let mut builder = self.listener(&line);
        builder.authority = Some(authority);
        builder
    }

    /// The configuration file as it will be written.
    pub fn text(&self) -> String {
        self.complete.clone().unwrap_or_else(|| self.config.text())
    }

    /// Starts the gateway; a configuration that is refused fails the test with all its mistakes.
    pub async fn start(self) -> Gateway {
        let text = self.text();
        self.try_start().await.unwrap_or_else(|error| panic!("expected the gateway to start:\n{error}\nfrom\n{text}"))
    }

    /// Starts the gateway.
    ///
    /// # Errors
    ///
    /// The text of a configuration error or of a start error.
    pub async fn try_start(self) -> Result<Gateway, String> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        write_users(directory.path());
        let text = self.text();
        std::fs::write(directory.path().join("test.toml"), &text).expect("a writable directory");
        let settings = vouchsafe::config::parse(&text, "test.toml", directory.path()).map_err(|errors| errors.to_string())?;
        let file = directory.path().join("test.toml");
        let source: Source = Box::new(move || vouchsafe::config::load(&file).map_err(|errors| errors.to_string()));
        let server = Server::bind_reloadable(Arc::new(settings), self.clock, Some(source)).map_err(|error| error.to_string())?;
        let (addresses, admin, control) = (server.addresses(), server.admin_address(), server.control());
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let _ended = server.run(async move { drop(stopped.await) }).await;
        });
        let Self { config, first_origin, authority, .. } = self;
        Ok(Gateway { addresses, admin, control, directory, config, first_origin, authority, stop: Some(stop), task })
    }
}
