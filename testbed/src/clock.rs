//! Wrong clocks, with libfaketime.

use std::path::Path;

/// The paths of the library in common distributions.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
];

/// Returns the environment of a process whose clock is wrong by `offset`, such as `+10m` or `-1h`. `None` if libfaketime is not
/// installed.
#[must_use]
pub fn shifted(offset: &str) -> Option<[(String, String); 3]> {
    let library = LIBRARIES.into_iter().find(|library| Path::new(library).exists())?;
    let variables = [
        ("LD_PRELOAD", library),
        ("FAKETIME", offset),
        // Shifts wall-clock time only. The monotonic clock stays right.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    Some(variables.map(|(name, value)| (name.to_owned(), value.to_owned())))
}
