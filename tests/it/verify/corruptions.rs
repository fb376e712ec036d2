//! Corruptions, planted in a real target by SQL: each is found, by the check that is meant for it and by no other.
