//! The `spotter` program.

use std::process::ExitCode;

/// Thousands of sockets come and go: mimalloc gives their memory back where the system's allocator keeps it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    spotter::cli::main()
}
