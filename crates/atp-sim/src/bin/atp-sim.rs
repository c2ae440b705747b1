//! The command: a simulator until it is interrupted.

fn main() {}
