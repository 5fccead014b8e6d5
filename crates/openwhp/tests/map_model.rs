//! The memory map against a model: any sequence of maps and unmaps leaves every page with the rights and the content that
//! the last call gave it.

use openwhp::AccessError;
use openwhp::Gpa;
use openwhp::GuestMemory;
use openwhp::MapFlags;
use openwhp::PAGE_SIZE;
use openwhp::Partition;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prelude::prop_oneof;
use proptest::proptest;

/// Pages of the guest and of the memory object that the sequences use.
const PAGES: u64 = 24;

#[derive(Clone, Debug)]
enum Call {
    Map { page: u64, host: u64, count: u64, flags: MapFlags },
    Unmap { page: u64, count: u64 },
    Query { page: u64, count: u64 },
    Write { page: u64 },
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let map = (0..PAGES, 0..PAGES, 1..8_u64, any::<u8>()).prop_map(|(page, host, count, bits)| {
        let flags = MapFlags::from_bits_truncate(u32::from(bits & 15));
        Call::Map { page, host, count, flags }
    });
    let range = (0..PAGES, 1..8_u64);
    let unmap = range.clone().prop_map(|(page, count)| Call::Unmap { page, count });
    let query = range.prop_map(|(page, count)| Call::Query { page, count });
    let write = (0..PAGES).prop_map(|page| Call::Write { page });
    proptest::collection::vec(prop_oneof![3 => map, 2 => unmap, 1 => query, 3 => write], 1..40)
}

/// What the model knows of a guest page.
#[derive(Clone, Copy, Debug)]
struct Page {
    host: u64,
    flags: MapFlags,
    is_dirty: bool,
}

/// Guest pages beyond the ones that calls start at are mapped by long ranges too.
struct Model([Option<Page>; 40]);

impl Model {
    fn range(&mut self, page: u64, count: u64) -> &mut [Option<Page>] {
        &mut self.0[page as usize..(page + count) as usize]
    }
}

fn apply(partition: &Partition, memory: &GuestMemory, model: &mut Model, call: &Call) {
    match *call {
        Call::Map { page, host, count, flags } => {
            let count = count.min(PAGES - host);
            let (gpa, len) = (Gpa(page * PAGE_SIZE), count * PAGE_SIZE);
            partition.map(memory, host * PAGE_SIZE, gpa, len, flags).expect("map");
            for (index, place) in model.range(page, count).iter_mut().enumerate() {
                *place = Some(Page { host: host + index as u64, flags, is_dirty: false });
            }
        }
        Call::Unmap { page, count } => {
            partition.unmap(Gpa(page * PAGE_SIZE), count * PAGE_SIZE).expect("unmap");
            model.range(page, count).fill(None);
        }
        Call::Query { page, count } => {
            let mut bitmap = [!0];
            let result = partition.query_dirty(Gpa(page * PAGE_SIZE), count * PAGE_SIZE, Some(&mut bitmap));
            let range = model.range(page, count);
            let is_tracked =
                |place: &Option<Page>| place.is_some_and(|p| p.flags.contains(MapFlags::TRACK_DIRTY));
            if !range.iter().all(is_tracked) {
                assert!(matches!(result, Err(AccessError::NotFound { .. })), "{result:?}");
                return;
            }
            assert_eq!(result, Ok(()));
            for (index, place) in range.iter_mut().flatten().enumerate() {
                assert_eq!(bitmap[0] >> index & 1 == 1, place.is_dirty, "page {index}");
                place.is_dirty = false;
            }
        }
        Call::Write { page } => {
            let result = partition.write_gpa(Gpa(page * PAGE_SIZE + 8), &[page as u8 + 100]);
            match &mut model.0[page as usize] {
                None => assert!(matches!(result, Err(AccessError::NotFound { .. }))),
                Some(place) if !place.flags.contains(MapFlags::WRITE) => {
                    assert!(matches!(result, Err(AccessError::Denied { .. })));
                }
                Some(place) => {
                    assert_eq!(result, Ok(()));
                    place.is_dirty = true;
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn every_page_is_what_the_last_call_made_it(calls in calls()) {
        let partition = Partition::builder().processors(1).build().expect("partition");
        let memory = GuestMemory::new(PAGES * PAGE_SIZE).expect("memory");
        let mut model = Model([None; 40]);
        for call in &calls {
            apply(&partition, &memory, &mut model, call);
        }
        // Marks written last, straight into the memory, tell which host page a guest page shows.
        for page in 0..PAGES {
            memory.write(page * PAGE_SIZE, &[page as u8]).expect("mark");
        }
        for (page, place) in model.0.iter().enumerate() {
            let mut byte = [0xFF];
            let result = partition.read_gpa(Gpa(page as u64 * PAGE_SIZE), &mut byte);
            match place {
                None => assert!(matches!(result, Err(AccessError::NotFound { .. }))),
                Some(place) if !place.flags.contains(MapFlags::READ) => {
                    assert!(matches!(result, Err(AccessError::Denied { .. })));
                }
                Some(place) => assert_eq!((result, u64::from(byte[0])), (Ok(()), place.host)),
            }
        }
        assert_eq!(partition.mapped_pages(), model.0.iter().flatten().count() as u64);
    }
}
