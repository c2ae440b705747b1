//! The embedded journal from outside: what it promises beyond the contract, and against damage.

mod damage;
mod fixture;
mod opening;
mod space;
mod suite;
mod writing;
