//! Tells cargo that the migrations are part of the program: a change of one alone builds it anew.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
