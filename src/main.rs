//! The `vouchsafe` program; see [`vouchsafe::cli`].

/// Many small pieces of different ages: the system's allocator took 4 to 11 % longer for the same requests.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    vouchsafe::cli::run()
}
