//! A gateway without listeners, for tests of its stages, and tests of a request's whole way.

use std::net::SocketAddr;
use std::path::Path;

use http_body_util::BodyExt as _;

use super::*;
use crate::cache::tests::{Lines, at, key as cache_key, permit};
use crate::upstream::tests::origin::{Origin, Step as Script, write};

/// A gateway with one upstream, at [`at`]`(0)`.
pub(super) fn gateway_to(server: &str) -> Arc<Gateway> {
    let text = format!(
        "[[listener]]\nname = \"edge\"\naddress = \"127.0.0.1:0\"\nmode = \"gateway\"\nauth = \"none\"\n\
         [[upstream]]\nname = \"origin\"\nservers = [\"{server}\"]\n[[route]]\nupstream = \"origin\"\n[log]\naccess = \"off\"\n"
    );
    let settings = Arc::new(crate::config::parse(&text, "gateway.toml", Path::new(".")).unwrap());
    let (clock, metrics) = (Clock::movable(at(0)), Arc::new(crate::metrics::Metrics::new(&settings)));
    let observer = Observer::new(&settings, metrics, clock.clone(), Keyed::random().unwrap()).unwrap();
    Gateway::new(settings, clock, Arc::new(observer), &[]).unwrap()
}

/// A GET of `http://app.test/x` with these fields more, which nobody has looked at yet.
pub(super) fn exchange(gateway: &Arc<Gateway>, fields: Lines<'_>) -> Exchange {
    let request = Request::get("/x").header("host", "app.test");
    let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let connection = Arc::new(Connection::new(SocketAddr::from(([127, 0, 0, 1], 1)), false));
    let parts = (request.body(()).unwrap().into_parts().0, 0);
    Exchange::behind(Arc::clone(gateway), (connection, 0), parts, None)
}

/// Otherwise three bytes of content would hold all the memory that they were read into with their head.
#[tokio::test]
async fn what_is_stored_holds_nothing_of_what_was_read() {
    let text = "HTTP/1.1 200 OK\nCache-Control: max-age=60\nContent-Length: 3\n\nabc";
    let origin = Origin::script(vec![vec![Script::Read, write(text), Script::Hold]]).await;
    let gateway = gateway_to(&format!("http://{}", origin.address));
    let mut asked = exchange(&gateway, &[]);
    let step = gateway.enter(&mut asked).unwrap();
    let response = gateway.serve(&mut asked, step).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "abc");
    drop(asked);
    let permit = permit("http://app.test/x", "-");
    let slot = gateway.memory.find(&cache_key(&permit, &gateway.keyed)).unwrap();
    let [stored] = slot.variants() else { panic!("one response is stored") };
    let [chunk] = stored.content().chunks() else { panic!("in one piece") };
    assert!(chunk == "abc" && chunk.is_unique());
}
