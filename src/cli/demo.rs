//! `vouchsafe demo`: the authorization rules in five minutes, with real requests.
//!
//! A demo origin and a gateway on free ports of loopback; two users and an anonymous client walk
//! through the response directives of RFC 9111 section 3.5. The origin marks every answer with the
//! credentials it was made for, so that the table shows whose bytes reached whom.

mod client;
mod origin;
mod scenes;

use std::process::ExitCode;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::{self, settings::Settings};
use crate::server::Server;
use client::Client;
use origin::DemoOrigin;
use scenes::SCENES;

/// Arguments of `vouchsafe demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Exit after the walk-through instead of serving on.
    #[arg(long)]
    once: bool,
}

/// Runs the demo; the table goes to standard output.
#[must_use]
pub fn run(args: &DemoArgs) -> ExitCode {
    let result =
        tokio::runtime::Runtime::new().map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(tour(args.once)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vouchsafe demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Starts origin and gateway, shows every scene, and serves on until interrupted.
async fn tour(once: bool) -> anyhow::Result<()> {
    let origin = DemoOrigin::start().await?;
    let password = format!("{:016x}", getrandom::u64().map_err(|error| anyhow::anyhow!("no random source: {error}"))?);
    let settings = settings(origin.port(), password.clone());
    let server = Server::bind(Arc::new(settings), Clock::system())?;
    let gateway = *server.addresses().first().ok_or_else(|| anyhow::anyhow!("the gateway has no listener"))?;
    let admin = server.admin_address();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));

    show(&format!("origin   http://127.0.0.1:{}/\ngateway  http://{gateway}/ (forward proxy, user guest)\n", origin.port()));
    let client = Client::new(gateway, origin.port(), &password);
    for scene in SCENES {
        show(&format!("\n{}\n  {}\n", scene.title, scene.meaning));
        show(&format!("  {}\n", scenes::heading()));
        for who in scene.clients {
            origin.forget();
            let answer = client.get(scene.path, who).await?;
            show(&format!("  {}\n", scenes::row(who, &origin.seen(), &answer)));
        }
    }
    if !once {
        show(&farewell(gateway, admin, origin.port(), &password));
        tokio::signal::ctrl_c().await?;
    }
    let _ = stop.send(());
    serving.await??;
    Ok(())
}

/// The embedded default on free ports, with the demo origin as its only destination.
fn settings(origin_port: u16, password: String) -> Settings {
    let mut settings = config::embedded_default(password);
    for listener in &mut settings.listeners {
        listener.address.set_port(0);
    }
    if let Some(admin) = &mut settings.admin {
        admin.address.set_port(0);
    }
    settings.forward.allow_ports = vec![origin_port];
    settings.forward.allow_networks = [[127, 0, 0, 0]].map(|octets| ipnet::Ipv4Net::new_assert(octets.into(), 8).into()).to_vec();
    settings.log.access = config::settings::AccessLogTarget::Off;
    settings
}

fn farewell(gateway: std::net::SocketAddr, admin: Option<std::net::SocketAddr>, origin_port: u16, password: &str) -> String {
    let mut text = format!(
        "\nServing until interrupted. Try it yourself, twice, as different users:\n\
         \n  curl -i -x http://guest:{password}@{gateway} -H 'Authorization: Bearer alice' http://127.0.0.1:{origin_port}/s-maxage\
         \n  curl -i -x http://guest:{password}@{gateway} -H 'Authorization: Bearer bob' http://127.0.0.1:{origin_port}/none\n"
    );
    if let Some(admin) = admin {
        text.push_str(&format!("  curl http://{admin}/metrics\n"));
    }
    text
}

/// Results go to standard output; a reader who left is no failure.
fn show(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().write_all(text.as_bytes());
}
