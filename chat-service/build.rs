//! Makes cargo rebuild the crate when a migration changes, because the migrations are embedded.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
