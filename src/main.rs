//! The `vouchsafe` program; see [`vouchsafe::cli`].

fn main() -> std::process::ExitCode {
    vouchsafe::cli::run()
}
