//! Guest memory by linear address, as a debugger or a client that decodes guest structures needs it.

use openwhp_engine::Gpa;
use openwhp_engine::Gva;
use openwhp_engine::PAGE_SIZE;
use openwhp_engine::TranslateFlags;
use openwhp_engine::TranslateResult;

use crate::GvaError;
use crate::Processor;

impl Processor {
    /// Copies memory at a linear address out, through the processor's page tables.
    ///
    /// The rights of the page tables do not matter, and nothing the guest can see changes. The processor must not be
    /// running. An extension of the platform.
    ///
    /// ```no_run
    /// # fn show(vp: &openwhp::Processor, rip: u64) {
    /// let mut code = [0; 16];
    /// if let Err(error) = vp.read_gva(openwhp::Gva(rip), &mut code) {
    ///     eprintln!("{error}");
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`GvaError`]; the bytes below the address that it names have been copied.
    pub fn read_gva(&self, gva: Gva, data: &mut [u8]) -> Result<(), GvaError> {
        let mut at = gva;
        let mut rest = data;
        while !rest.is_empty() {
            let gpa = self.linear_to_physical(at)?;
            let len = page_rest(gpa).min(rest.len());
            let (piece, later) = rest.split_at_mut(len);
            let copied = self.partition().read_gpa(gpa, piece);
            copied.map_err(|source| GvaError::Access { gva: at, source })?;
            rest = later;
            if !rest.is_empty() {
                at = next(at, len)?;
            }
        }
        Ok(())
    }

    /// Copies bytes to memory at a linear address, through the processor's page tables.
    ///
    /// The rights of the page tables do not matter; those of the partition's memory map do. Code that processors have
    /// decoded from there is dropped. The processor must not be running. An extension of the platform.
    ///
    /// # Errors
    /// [`GvaError`]. Nothing is written when a page is not translated.
    pub fn write_gva(&self, gva: Gva, data: &[u8]) -> Result<(), GvaError> {
        let mut pieces = Vec::new();
        let mut at = gva;
        let mut rest = data;
        while !rest.is_empty() {
            let gpa = self.linear_to_physical(at)?;
            let (piece, later) = rest.split_at(page_rest(gpa).min(rest.len()));
            pieces.push((at, gpa, piece));
            rest = later;
            if !rest.is_empty() {
                at = next(at, piece.len())?;
            }
        }
        for (gva, gpa, piece) in pieces {
            let written = self.partition().write_gpa(gpa, piece);
            written.map_err(|source| GvaError::Access { gva, source })?;
        }
        Ok(())
    }

    /// Where a linear address lies, whatever the rights of the page tables say.
    ///
    /// # Errors
    /// [`GvaError::NotTranslated`] or [`GvaError::Processor`].
    pub fn linear_to_physical(&self, gva: Gva) -> Result<Gpa, GvaError> {
        let translation = self.translate_gva(gva, TranslateFlags::PRIVILEGE_EXEMPT)?;
        match translation.result {
            TranslateResult::Success => Ok(translation.gpa),
            result => Err(GvaError::NotTranslated { gva, result }),
        }
    }
}

/// Bytes from `gpa` to the end of its page.
fn page_rest(gpa: Gpa) -> usize {
    (PAGE_SIZE - gpa.page_offset()) as usize
}

/// The address behind `len` bytes; linear memory does not wrap.
fn next(at: Gva, len: usize) -> Result<Gva, GvaError> {
    let end = at.0.checked_add(len as u64);
    let result = TranslateResult::PageNotPresent;
    end.map(Gva).ok_or(GvaError::NotTranslated { gva: at, result })
}
