//! The hot paths of tcp-chatd, each as something that can be done again and again: `benches/hot.rs`
//! times them, `bench/guard` counts their instructions.

pub mod hot;
