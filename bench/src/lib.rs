//! The hot paths of tcp-chatd, each repeatable: `benches/hot.rs` measures their time, `bench/guard` counts their
//! instructions.

pub mod hot;
