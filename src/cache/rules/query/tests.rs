use super::*;
use crate::cache::tests::Random;

fn parameters(names: &[&str]) -> Vec<Parameter> {
    names.iter().map(|name| Parameter::parse(name).unwrap()).collect()
}

fn key(rule: &QueryRule, path_and_query: &str) -> String {
    rule.key_of(path_and_query).map_or_else(|| path_and_query.to_owned(), String::from)
}

#[test]
fn d4_all_is_the_target_as_sent() {
    for target in ["/", "/x", "/x?", "/x?b&a", "/x?a&&", "*", "", "/x?a=%zz;b?c"] {
        assert_eq!(QueryRule::default().key_of(target), None, "{target}");
    }
    assert_eq!((QueryRule::default().mark(), QueryRule::new(Form::All).mark()), (None, None));
}

#[test]
fn d4_none_leaves_the_path() {
    let none = QueryRule::new(Form::None);
    for (target, expected) in [("/x?a=1", "/x"), ("/x?", "/x"), ("/x", "/x"), ("/x?a?b", "/x"), ("/?a", "/"), ("*", "*")] {
        assert_eq!(key(&none, target), expected, "{target}");
    }
}

#[test]
fn d4_sorted_changes_the_order_of_names_and_nothing_else() {
    let sorted = QueryRule::new(Form::Sorted);
    for (target, expected) in [
        ("/x?b=2&a=1", "/x?a=1&b=2"),
        ("/x?b&a", "/x?a&b"),
        ("/x?a=2&b&a=1", "/x?a=2&a=1&b"),
        ("/x?b=1&%61=2", "/x?%61=2&b=1"),
        ("/x?b&a&", "/x?&a&b"),
        ("/x?ab&a", "/x?a&ab"),
        ("/x?a=b=1&a", "/x?a=b=1&a"),
        ("/b?b&a?b", "/b?a?b&b"),
    ] {
        assert_eq!(key(&sorted, target), expected, "{target}");
    }
    // What an origin may read as values of one name, or may divide at other places, stays as it is.
    for target in ["/x", "/x?", "/x?a=2&a=1", "/x?a=2&%61=1", "/x?A=2&a=1", "/x?a+b=2&a%20b=1", "/x?b=1;c=2&a=1", "/x?b;a"] {
        assert_eq!(sorted.key_of(target), None, "{target}");
    }
}

#[test]
fn d4_keep_leaves_what_is_listed_and_what_is_no_plain_name() {
    let keep = QueryRule::new(Form::Keep(parameters(&["id", "q*"])));
    for (target, expected) in [
        ("/x?utm=1&id=5&b", "/x?id=5"),
        ("/x?id=2&a&id=1", "/x?id=2&id=1"),
        ("/x?a=1", "/x"),
        ("/x?", "/x"),
        ("/x?id=1&&", "/x?id=1"),
        ("/x?q&a&query=1&aq", "/x?q&query=1"),
        ("/x?%69d=1&a", "/x?%69d=1"),
        ("/x?ID=1&a", "/x?ID=1"),
        ("/x?idx=1&id", "/x?id"),
        ("/x?id[]=1&a", "/x?id[]=1"),
        ("/x?a&%20id=1&i.d&+id", "/x?%20id=1&i.d&+id"),
        ("/x?a=1;id=2&b", "/x?a=1;id=2"),
        ("/x?a=%3bid=2", "/x"),
        ("/x?%zz=1&%6=2&a", "/x?%zz=1&%6=2"),
    ] {
        assert_eq!(key(&keep, target), expected, "{target}");
    }
    assert_eq!(keep.key_of("/x?id=2&q=1"), None);
}

#[test]
fn d4_drop_leaves_out_what_is_listed_alone() {
    let drop = QueryRule::new(Form::Drop(parameters(&["ref", "utm_*"])));
    for (target, expected) in [
        ("/x?ref=1&b=2&a=1", "/x?b=2&a=1"),
        ("/x?a&ref&b", "/x?a&b"),
        ("/x?utm_source=1&utm_=2&utm=3", "/x?utm=3"),
        ("/x?ref=1", "/x"),
        ("/x?", "/x"),
        ("/x?&a", "/x?a"),
        ("/x?%72ef=1", "/x"),
        ("/x?utm%5Fsource=1", "/x"),
        ("/ref?ref=1?a", "/ref"),
    ] {
        assert_eq!(key(&drop, target), expected, "{target}");
    }
    for target in ["/x", "/x?a&b", "/x?REF=1", "/x?refs=1", "/x?ref[]=1", "/x?ref=1;id=2", "/x?utm_a;id=2", "/x?a=ref", "/x?+ref"]
    {
        assert_eq!(drop.key_of(target), None, "{target}");
    }
}

#[test]
fn names_of_parameters_are_names() {
    for (text, shown) in [("a", "a"), ("utm_*", "utm_*"), ("é", "é"), ("a[]", "a[]"), ("-", "-")] {
        assert_eq!(Parameter::parse(text).map(|one| one.to_string()).as_deref(), Some(shown), "{text}");
    }
    for text in ["", "*", "a b", "a=b", "a&b", "?a", "a;b", "a#", "%61", "a*b", "a**", "a\n"] {
        assert_eq!(Parameter::parse(text), None, "{text}");
    }
    assert!(Parameter::parse("Token").unwrap().is_named("token"));
    assert!(!Parameter::parse("token*").unwrap().is_named("token"));
    let accented = QueryRule::new(Form::Drop(parameters(&["é"])));
    assert_eq!(key(&accented, "/x?%C3%A9=1&a"), "/x?a");
}

/// Every rule on every target: applied twice it is as applied once, the path stays, parts are only left out or put in another
/// order, and two targets that meet differ in nothing but what the rule is about.
#[test]
fn d4_no_rule_merges_more_than_it_says() {
    let mut random = Random::new();
    let names = parameters(&["a", "b*"]);
    let rules = [Form::None, Form::Sorted, Form::Keep(names.clone()), Form::Drop(names)].map(QueryRule::new);
    let mut merged = [0; 4];
    for _ in 0..40_000 {
        let mut parts: Vec<String> = (0..random.below(5)).map(|_| part(&mut random)).collect();
        let one = target(&mut random, &parts);
        // The same parts in another order, some of them others.
        random.shuffle(&mut parts);
        for one in &mut parts {
            if random.below(4) == 0 {
                *one = part(&mut random);
            }
        }
        let other = target(&mut random, &parts);
        for (at, rule) in rules.iter().enumerate() {
            let (key_of_one, key_of_other) = (key(rule, &one), key(rule, &other));
            assert_eq!(key(rule, &key_of_one), key_of_one, "{rule} of {one} again");
            assert_eq!(one.split('?').next(), key_of_one.split('?').next(), "{rule} of {one}");
            if key_of_one != key_of_other || one == other {
                continue;
            }
            merged[at] += 1;
            let said = [&one, &other].map(|target| meant(rule.form(), target));
            assert_eq!(said[0], said[1], "{rule} merges {one} and {other}");
        }
    }
    assert!(merged.iter().all(|count| *count > 100), "{merged:?}");
}

fn part(random: &mut Random) -> String {
    let name = random.pick(&["a", "A", "%61", "b", "bc", "c", "", "a[]", "+"]);
    format!("{name}{}", random.pick(&["", "=", "=1", "=2", "=1;c"]))
}

fn target(random: &mut Random, parts: &[String]) -> String {
    let question = if parts.is_empty() { random.pick(&["", "?"]) } else { "?" };
    format!("{}{question}{}", random.pick(&["/x", "/x", "/x", "/y"]), parts.join("&"))
}

/// What a rule says of a target, written another way: the path and the values by name, or the parts that stay.
fn meant(form: &Form, target: &str) -> (String, Vec<(String, Vec<String>)>) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parts = query.split('&').map(str::to_owned);
    let name = |part: &str| part.split('=').next().unwrap().replace("%61", "a");
    let by_name = |parts: Vec<String>| {
        let mut all: Vec<(String, Vec<String>)> = Vec::new();
        for part in parts {
            let name = name(&part).to_lowercase();
            match all.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(part),
                None => all.push((name, vec![part])),
            }
        }
        all.sort();
        all
    };
    let is_listed = |part: &String| name(part) == "a" || name(part).starts_with('b');
    let in_order = |parts: Vec<String>| vec![(String::new(), parts)];
    let said = match form {
        Form::All | Form::None => Vec::new(),
        Form::Sorted if query.contains(';') => in_order(vec![query.to_owned()]),
        Form::Sorted => by_name(parts.collect()),
        // Of what else stays this says nothing.
        Form::Keep(_) => in_order(parts.filter(|part| is_listed(part) || name(part) == "A" || part.contains(';')).collect()),
        Form::Drop(_) => in_order(parts.filter(|part| !part.is_empty() && (!is_listed(part) || part.contains(';'))).collect()),
    };
    (path.to_owned(), said)
}

/// Who is answered by what whom filled: with and without credentials, for the key itself and for another target.
#[test]
fn d4_what_is_merged_is_for_who_has_no_credentials_under_the_same_rule() {
    let credentialed = Named::EXACT;
    let (own, other) = (Named { is_exact: true, rule: Some(1) }, Named { is_exact: false, rule: Some(1) });
    let (own_elsewhere, other_elsewhere) = (Named { is_exact: true, rule: Some(2) }, Named { is_exact: false, rule: Some(2) });
    let all = [credentialed, own, other, own_elsewhere, other_elsewhere];
    for (filled, expected) in [
        (credentialed, [true, true, false, true, false]),
        (own, [true, true, true, true, false]),
        (other, [false, true, true, false, false]),
    ] {
        assert_eq!(all.map(|asker| filled.is_for(asker)), expected, "{filled:?}");
    }
    for (filled, by, asker) in triples(all) {
        let replaced = !by.replaces(filled) || !filled.is_for(asker) || by.is_for(asker);
        assert!(replaced, "{by:?} takes the place of {filled:?}");
        // Who changes an entry sees it; what it is then is there for nobody who could not see both.
        let changed = filled.changed_by(by);
        if filled.is_for(by) && changed.is_for(asker) {
            assert!(filled.is_for(asker) && by.is_for(asker), "{filled:?} {by:?} {asker:?}");
        }
    }
    assert_eq!((own.changed_by(other), own.changed_by(credentialed)), (other, credentialed));
}

fn triples<T: Copy>(all: [T; 5]) -> Vec<(T, T, T)> {
    (0..125).map(|at| (all[at / 25], all[at / 5 % 5], all[at % 5])).collect()
}

#[test]
fn d15_a_mark_tells_rules_apart() {
    let forms = [
        Form::None,
        Form::Sorted,
        Form::Keep(parameters(&["a"])),
        Form::Drop(parameters(&["a"])),
        Form::Drop(parameters(&["a*"])),
        Form::Drop(parameters(&["a", "b"])),
    ];
    for (at, form) in forms.iter().enumerate() {
        for (other_at, other) in forms.iter().enumerate() {
            let (one, other) = (QueryRule::new(form.clone()), QueryRule::new(other.clone()));
            assert_eq!(one.mark() == other.mark(), at == other_at, "{one} and {other}");
        }
    }
}
