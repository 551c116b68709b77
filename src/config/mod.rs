//! From TOML text to what is in force; every mistake at once, each with file, line and column.
//!
//! The text is parsed once with positions kept (`mistakes`, `reader`, `value`), read section by section
//! (`sections`), checked as a whole (`checks`) and only then becomes [`settings::Settings`].
//!
//! # Deviations
//!
//! none

mod checks;
mod contradictions;
mod describe;
mod mistakes;
mod quantities;
mod reader;
mod sections;
pub mod settings;
mod value;

use std::io::ErrorKind;
use std::path::Path;

use toml::de::DeTable;

use self::mistakes::Source;
use self::reader::Section;
use self::settings::{BuiltinUser, Settings, Shadow};

pub use self::describe::describe;
pub use self::mistakes::ConfigErrors;

/// What `vouchsafe` without a configuration file runs.
const EMBEDDED_DEFAULT: &str = include_str!("default.toml");
/// The one user of the embedded default.
const BUILTIN_USER: &str = "guest";

/// Reads a configuration file; paths in it are relative to it.
///
/// # Errors
///
/// Every mistake in it, or why it cannot be read.
pub fn load(path: &Path) -> Result<Settings, ConfigErrors> {
    load_as(path, Role::InForce(None))
}

fn load_as(path: &Path, role: Role) -> Result<Settings, ConfigErrors> {
    let file_name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let found = match error.kind() {
            ErrorKind::InvalidData => "text that is not UTF-8".to_owned(),
            kind => kind.to_string(),
        };
        ConfigErrors::about_file(&file_name, format!("expected a readable text file, found: {found}"))
    })?;
    // Absolute, so that a later change of the working directory (or a reload) means the same files.
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    read(&text, &file_name, absolute.parent().unwrap_or(Path::new("/")), role)
}

/// Reads a configuration text; `file_name` is for messages, relative paths start at `base_dir`.
///
/// # Errors
///
/// Every mistake in it, in the order of the text.
pub fn parse(text: &str, file_name: &str, base_dir: &Path) -> Result<Settings, ConfigErrors> {
    read(text, file_name, base_dir, Role::InForce(None))
}

/// What a text is read as.
enum Role {
    /// The configuration in force; without a file it has a user of its own.
    InForce(Option<BuiltinUser>),
    /// One whose policies are evaluated beside it; whatever shadow it has itself, nobody looks at.
    Candidate,
}

/// The configuration of a gateway that was given none: a forward proxy on loopback whose one user
/// has this password.
#[must_use]
pub fn embedded_default(password: String) -> Settings {
    let user = BuiltinUser { name: BUILTIN_USER.to_owned(), password };
    let read = read(EMBEDDED_DEFAULT, "default.toml", Path::new("/"), Role::InForce(Some(user)));
    #[expect(clippy::expect_used, reason = "the text is part of the program")]
    // invariant: the embedded text has no mistake, as a test shows
    read.expect("the embedded default is valid")
}

fn read(text: &str, file_name: &str, base_dir: &Path, role: Role) -> Result<Settings, ConfigErrors> {
    let mut source = Source::new(text, base_dir);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        source.note_syntax(error);
    }
    let (user, has_shadow) = match role {
        Role::InForce(user) => (user, true),
        Role::Candidate => (None, false),
    };
    let mut draft = sections::read(Section::root(&source, &document), user);
    let candidate = draft.candidate.take().filter(|_| has_shadow);
    let mut settings = checks::complete(&source, draft);
    let shadow = candidate.map(|file| shadow(&file)).transpose();
    let (shadow, told) = shadow.map_or_else(|mistakes| (None, Err(mistakes)), |shadow| (shadow, Ok(())));
    let of_candidate = shadow.as_ref().map(|shadow| shadow.settings.warnings.clone()).unwrap_or_default();
    settings.shadow = shadow;
    settings.warnings = ConfigErrors::both(source.finish(file_name), told)?;
    settings.warnings.extend(of_candidate);
    Ok(settings)
}

/// The candidate that `[shadow]` names.
fn shadow(file: &Path) -> Result<Shadow, ConfigErrors> {
    let settings = Box::new(load_as(file, Role::Candidate)?);
    Ok(Shadow { file: file.to_owned(), settings })
}
