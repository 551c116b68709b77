//! The properties over the seeds in `fuzz/corpus/`, and over damaged copies of them.

use std::fs;
use std::path::{Path, PathBuf};

/// Damaged copies of each target's seeds in a test run; `MUTANTS=100000` tries more.
const MUTANTS: usize = 2_000;

type Property = fn(&[u8]);

/// Each property by the name of its target.
const TARGETS: [(&str, Property); 11] = [
    ("cache_control", super::cache_control),
    ("configuration", super::configuration),
    ("credentials", super::credentials),
    ("proof", super::proof),
    ("range", super::range),
    ("request", super::request),
    ("storing", super::storing),
    ("target", super::target),
    ("times", super::times),
    ("upstream_response", super::upstream_response),
    ("variants", super::variants),
];

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The names in a folder, without what follows the dot.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// The seeds of a target: what is committed, which ends in `.txt`.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = fuzz().join("corpus").join(target);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "txt"));
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn each_target_has_a_program_a_property_and_seeds() {
    let properties: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names(&fuzz().join("fuzz_targets")), properties);
    assert_eq!(names(&fuzz().join("corpus")), properties);
    let manifest: toml::Table = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap().parse().unwrap();
    let bins = manifest["bin"].as_array().unwrap();
    assert_eq!(bins.iter().map(|bin| bin["name"].as_str().unwrap()).collect::<Vec<_>>(), properties);
    for name in properties {
        let program = fs::read_to_string(fuzz().join("fuzz_targets").join(format!("{name}.rs"))).unwrap();
        assert!(program.contains(&format!("vouchsafe::fuzzing::{name}(data)")), "{name}: {program}");
        let manifest_path = bins.iter().find(|bin| bin["name"].as_str() == Some(name)).unwrap()["path"].as_str().unwrap();
        assert_eq!(manifest_path, format!("fuzz_targets/{name}.rs"));
        assert!(seeds(name).len() >= 5, "{name}: expected at least 5 seeds, found {}", seeds(name).len());
    }
}

/// xorshift64*, the same numbers in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % bound.max(1)
    }
}

/// A copy of a seed with one to four damages: octets changed, put in, left out, said again, or taken from another seed.
fn mutant(numbers: &mut Numbers, seeds: &[Vec<u8>]) -> Vec<u8> {
    let telling = b"\"\\,;:=-*% \t\r\n\n09aZ\0\x7f\xff";
    let mut text = seeds[numbers.below(seeds.len())].clone();
    for _ in 0..=numbers.below(4) {
        let (at, length) = (numbers.below(text.len() + 1), 1 + numbers.below(12));
        let end = (at + length).min(text.len());
        let byte = telling[numbers.below(telling.len())];
        match numbers.below(6) {
            0 if at < text.len() => text[at] = byte,
            1 if at < text.len() => text[at] ^= 1 << numbers.below(8),
            2 => drop(text.drain(at..end)),
            3 => {
                let again = text[at..end].to_vec();
                let place = numbers.below(text.len() + 1);
                drop(text.splice(place..place, again));
            }
            4 => {
                let other = &seeds[numbers.below(seeds.len())];
                let from = numbers.below(other.len());
                let part = other[from..(from + 4 * length).min(other.len())].to_vec();
                drop(text.splice(at..end, part));
            }
            _ => text.insert(at, byte),
        }
    }
    text
}

fn holds(name: &str) {
    let (_, property) = TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    let seeds = seeds(name);
    let mutants = std::env::var("MUTANTS").ok().and_then(|given| given.parse().ok()).unwrap_or(MUTANTS);
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let damaged = (0..mutants).map(|_| mutant(&mut numbers, &seeds));
    for input in seeds.iter().cloned().chain(damaged) {
        // What is printed is shown for a test that fails.
        let caught = std::panic::catch_unwind(|| property(&input));
        assert!(caught.is_ok(), "{name} does not hold of {:?}", String::from_utf8_lossy(&input));
    }
}

#[test]
fn cache_control_holds() {
    holds("cache_control");
}

#[test]
fn configuration_holds() {
    holds("configuration");
}

#[test]
fn credentials_hold() {
    holds("credentials");
}

#[test]
fn proof_holds() {
    holds("proof");
}

#[test]
fn range_holds() {
    holds("range");
}

#[test]
fn request_holds() {
    holds("request");
}

#[test]
fn storing_holds() {
    holds("storing");
}

#[test]
fn target_holds() {
    holds("target");
}

#[test]
fn times_hold() {
    holds("times");
}

#[test]
fn upstream_response_holds() {
    holds("upstream_response");
}

#[test]
fn variants_hold() {
    holds("variants");
}
