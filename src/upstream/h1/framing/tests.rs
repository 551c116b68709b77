use super::*;

fn settled(status: u16, version: Version, is_head: bool, lines: &[(&'static str, &str)]) -> Result<(End, bool, HeaderMap), ()> {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        fields.append(*name, value.parse().unwrap());
    }
    let (end, is_certain) = settle((StatusCode::from_u16(status).unwrap(), version), is_head, &mut fields).map_err(drop)?;
    Ok((end, is_certain, fields))
}

#[test]
fn x015_the_end_of_a_response_is_certain_or_the_connections() {
    const LENGTH: (&str, &str) = ("content-length", "5");
    const CHUNKED: (&str, &str) = ("transfer-encoding", "Chunked");
    const FOREIGN: (&str, &str) = ("transfer-encoding", "x-fold");
    for (status, is_head, lines, expected) in [
        (200, false, &[][..], Ok((End::Close, false))),
        (200, false, &[LENGTH], Ok((End::Length(5), true))),
        (200, false, &[CHUNKED], Ok((End::Chunked, true))),
        (200, false, &[FOREIGN], Ok((End::Close, false))),
        (200, false, &[LENGTH, CHUNKED], Err(())),
        (200, false, &[CHUNKED, CHUNKED], Err(())),
        (200, true, &[], Ok((End::Empty, true))),
        (200, true, &[LENGTH], Ok((End::Empty, true))),
        (200, true, &[CHUNKED], Ok((End::Empty, true))),
        (200, true, &[FOREIGN], Ok((End::Empty, false))),
        (200, true, &[LENGTH, CHUNKED], Err(())),
        (304, false, &[], Ok((End::Empty, true))),
        (304, false, &[LENGTH], Ok((End::Empty, true))),
        (304, false, &[CHUNKED], Ok((End::Empty, true))),
        (304, false, &[LENGTH, CHUNKED], Err(())),
        (204, false, &[LENGTH, CHUNKED], Ok((End::Empty, true))),
        (101, false, &[], Err(())),
    ] {
        let found = settled(status, Version::HTTP_11, is_head, lines).map(|(end, is_certain, _)| (end, is_certain));
        assert_eq!(found, expected, "{status} {is_head} {lines:?}");
    }
    assert!(
        settled(200, Version::HTTP_10, false, &[CHUNKED]).is_err() && settled(200, Version::HTTP_10, true, &[FOREIGN]).is_err()
    );
    assert_eq!(settled(200, Version::HTTP_10, false, &[LENGTH]).unwrap().0, End::Length(5));
}

#[test]
fn x015_one_length_is_left_and_it_is_the_true_one() {
    for lines in [&["5"][..], &["5, 5"], &["5", "5"], &["05"], &["5 ,\t5"]] {
        let lines: Vec<_> = lines.iter().map(|line| ("content-length", *line)).collect();
        let (end, _, fields) = settled(200, Version::HTTP_11, false, &lines).unwrap();
        let left: Vec<_> = fields.get_all("content-length").iter().collect();
        assert!(end == End::Length(5) && left == ["5"], "{lines:?} {left:?}");
    }
    for lines in [&["5", "6"][..], &["5, 6"], &["5,"], &[""], &["+5"], &["5 5"], &["0x5"], &["5;"], &["18446744073709551616"]] {
        let lines: Vec<_> = lines.iter().map(|line| ("content-length", *line)).collect();
        assert!(settled(200, Version::HTTP_11, false, &lines).is_err(), "{lines:?}");
        assert!(settled(304, Version::HTTP_11, false, &lines).is_err(), "{lines:?}");
    }
}
