//! Owns when a hash table gives memory back after a crowd has left. The state, the edge and the hub call it after
//! each removal. Never removes an entry.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

/// Tables of at most this many places stay as they are: they take a few pages.
const SMALL: usize = 1_024;

/// Halves the table several times at once if seven of eight places are empty. So a table of `n` places is copied
/// only after more than half as many removals, and each removal costs a constant share of it.
pub fn shrink<K: Eq + Hash, V, S: BuildHasher>(table: &mut HashMap<K, V, S>) {
    let places = table.capacity();
    if places > SMALL && table.len() < places / 8 {
        table.shrink_to((2 * table.len()).max(SMALL / 2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_small_again_after_a_crowd_and_is_seldom_copied() {
        let mut table: HashMap<u32, u32> = (0..10_000).map(|n| (n, n)).collect();
        let mut copies = 0;
        for n in 0..10_000 {
            table.remove(&n);
            // A removal alone lowers the capacity by one, if it leaves a tombstone.
            let before = table.capacity();
            shrink(&mut table);
            copies += u32::from(table.capacity() != before);
            assert!(n % 500 != 0 || (n + 1..10_000).all(|left| table.contains_key(&left)));
        }
        assert!(table.capacity() <= SMALL, "{}", table.capacity());
        assert!(copies <= 3, "{copies}");
    }
}
