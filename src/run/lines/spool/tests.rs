//! Values come back as they were kept.

use super::*;

#[test]
fn values_come_back_from_their_places_and_buckets_in_their_order() {
    let mut spool = Spool::new().unwrap();
    let places: Vec<Place> = (0..100).map(|n| spool.push(&"x".repeat(n)).unwrap()).collect();
    let spooled = spool.finish().unwrap();
    for (n, place) in places.into_iter().enumerate() {
        assert_eq!(spooled.get::<String>(place).unwrap(), "x".repeat(n));
        assert_eq!(spooled.text(place).unwrap(), format!("\"{}\"", "x".repeat(n)).into_bytes());
    }
    let mut buckets = Buckets::new(3).unwrap();
    for n in 0..3_000_usize {
        buckets.push(n % 3, &(n, "y".repeat(20_000))).unwrap();
    }
    let buckets = buckets.finish().unwrap();
    for bucket in 0..3 {
        let mut found = Vec::new();
        buckets
            .read(bucket, |(n, _): (usize, String)| {
                found.push(n);
                Ok(())
            })
            .unwrap();
        assert_eq!(found, (0..1_000).map(|n| 3 * n + bucket).collect::<Vec<_>>(), "{bucket}");
        let text = buckets.text(bucket).unwrap();
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let numbers = lines.map(|line| value_of::<(usize, String)>(line).unwrap().0);
        assert_eq!(numbers.collect::<Vec<_>>(), found, "{bucket}");
    }
}

#[test]
fn values_that_are_read_together_come_in_their_order_with_gaps_and_twice() {
    let mut spool = Spool::new().unwrap();
    // More than one read holds, one longer than a read, and values between that are not asked for.
    let long = |n: usize| if n == 500 { (READ_BYTES + 1).try_into().unwrap() } else { 5_000 + n };
    let places: Vec<Place> = (0..1_000).map(|n| spool.push(&(n, "z".repeat(long(n)))).unwrap()).collect();
    let spooled = spool.finish().unwrap();
    let wanted: Vec<usize> = (0..1_000).filter(|n| n % 7 != 3).chain([999, 999]).collect();
    let mut found = Vec::new();
    spooled
        .get_all(wanted.iter().map(|n| places[*n]), |(n, text): (usize, String)| {
            assert_eq!(text.len(), long(n));
            found.push(n);
            Ok(())
        })
        .unwrap();
    assert_eq!(found, wanted);
    spooled.get_all::<usize>([], |_| panic!("nothing was asked for")).unwrap();
}
