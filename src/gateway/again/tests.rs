use super::*;

#[test]
fn one_whole_answer_that_keeps_the_connection_is_kept() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 3";
    let whole = format!("{head}\r\n\r\nabc");
    assert_eq!(head_of(whole.as_bytes(), 3), Some((head.as_bytes(), After::Stay)));
    assert_eq!(head_of(b"HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n", 0).map(|(head, _)| head.len()), Some(36));
    let last = "HTTP/1.1 200 OK\r\nconnection: close\r\nx: y";
    assert_eq!(head_of(format!("{last}\r\n\r\nabc").as_bytes(), 3), Some((last.as_bytes(), After::Close)));
    for (bytes, content) in [
        (&*whole, 2),
        (&*whole, 4),
        (&*whole, 100),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc", 3),
        ("HTTP/1.1 200 OK\r\nconnection:close\r\n\r\nabc", 3),
        ("HTTP/1.1 200 OK\r\nconnection: keep-alive\r\n\r\nabc", 3),
        ("HTTP/1.1 200 OK\r\nconnection: close\r\nconnection: close\r\n\r\nabc", 3),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nabc", 3),
        ("HTTP/1.0 200 OK\r\n\r\nabc", 3),
        ("", 0),
    ] {
        assert_eq!(head_of(bytes.as_bytes(), content), None, "{bytes:?}");
    }
}

#[test]
fn our_own_count_of_seconds_is_the_last() {
    let places = |text: &str| {
        let places = places_of_seconds(text.as_bytes())?;
        Some((text[places.age].to_owned(), text[places.ttl].to_owned()))
    };
    let found = |age: &str, ttl: &str| Some((age.to_owned(), ttl.to_owned()));
    let head = "HTTP/1.1 200 OK\r\nx: age: 7\r\nage: 12\r\ncache-status: vouchsafe; hit; ttl=5\r\ncache-status: vouchsafe; hit; ttl=48; detail=x";
    assert_eq!(places(head), found("12", "48"));
    for without in [
        "HTTP/1.1 200 OK\r\ncache-status: vouchsafe; hit; ttl=48",
        "HTTP/1.1 200 OK\r\nage: 12",
        "HTTP/1.1 200 OK\r\nage: x\r\ncache-status: vouchsafe; hit; ttl=48",
        "HTTP/1.1 200 OK\r\nage: 12\r\ncache-status: vouchsafe; hit; ttl=-1",
        "HTTP/1.1 200 OK\r\ncache-status: vouchsafe; hit; ttl=48\r\nage: 12",
    ] {
        assert_eq!(places(without), None, "{without}");
    }
}
