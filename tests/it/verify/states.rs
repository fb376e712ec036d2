//! Runs that are not to be verified, or only in part, are told in a sentence.
