//! Register names.

use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::enumeration;

enumeration! {
    /// Name of a virtual-processor register.
    pub struct WHV_REGISTER_NAME {
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX0 = 0x0002_0000,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX1 = 0x0002_0001,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX2 = 0x0002_0002,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX3 = 0x0002_0003,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX4 = 0x0002_0004,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX5 = 0x0002_0005,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX6 = 0x0002_0006,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX7 = 0x0002_0007,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX8 = 0x0002_0008,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX9 = 0x0002_0009,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX10 = 0x0002_000A,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX11 = 0x0002_000B,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX12 = 0x0002_000C,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX13 = 0x0002_000D,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX14 = 0x0002_000E,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX15 = 0x0002_000F,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX16 = 0x0002_0010,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX17 = 0x0002_0011,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX18 = 0x0002_0012,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX19 = 0x0002_0013,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX20 = 0x0002_0014,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX21 = 0x0002_0015,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX22 = 0x0002_0016,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX23 = 0x0002_0017,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX24 = 0x0002_0018,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX25 = 0x0002_0019,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX26 = 0x0002_001A,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX27 = 0x0002_001B,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterX28 = 0x0002_001C,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterFp = 0x0002_001D,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterLr = 0x0002_001E,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPc = 0x0002_0022,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ0 = 0x0003_0000,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ1 = 0x0003_0001,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ2 = 0x0003_0002,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ3 = 0x0003_0003,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ4 = 0x0003_0004,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ5 = 0x0003_0005,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ6 = 0x0003_0006,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ7 = 0x0003_0007,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ8 = 0x0003_0008,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ9 = 0x0003_0009,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ10 = 0x0003_000A,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ11 = 0x0003_000B,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ12 = 0x0003_000C,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ13 = 0x0003_000D,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ14 = 0x0003_000E,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ15 = 0x0003_000F,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ16 = 0x0003_0010,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ17 = 0x0003_0011,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ18 = 0x0003_0012,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ19 = 0x0003_0013,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ20 = 0x0003_0014,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ21 = 0x0003_0015,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ22 = 0x0003_0016,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ23 = 0x0003_0017,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ24 = 0x0003_0018,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ25 = 0x0003_0019,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ26 = 0x0003_001A,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ27 = 0x0003_001B,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ28 = 0x0003_001C,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ29 = 0x0003_001D,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ30 = 0x0003_001E,
        /// 128 bits in `Reg128`.
        WHvArm64RegisterQ31 = 0x0003_001F,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPstate = 0x0002_0023,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterElrEl1 = 0x0004_0015,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterFpcr = 0x0004_0012,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterFpsr = 0x0004_0013,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterSp = 0x0002_001F,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterSpEl0 = 0x0002_0020,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterSpEl1 = 0x0002_0021,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterSpsrEl1 = 0x0004_0014,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=0 op2=0.
        WHvArm64RegisterIdMidrEl1 = 0x0002_2000,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=0 op2=1.
        WHvArm64RegisterIdRes01El1 = 0x0002_2001,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=0 op2=2.
        WHvArm64RegisterIdRes02El1 = 0x0002_2002,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=0 op2=3.
        WHvArm64RegisterIdRes03El1 = 0x0002_2003,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=0 op2=4.
        WHvArm64RegisterIdRes04El1 = 0x0002_2004,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=0 op2=5.
        WHvArm64RegisterIdMpidrEl1 = 0x0002_2005,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=0 op2=6.
        WHvArm64RegisterIdRevidrEl1 = 0x0002_2006,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=0 op2=7.
        WHvArm64RegisterIdRes07El1 = 0x0002_2007,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=1 op2=0.
        WHvArm64RegisterIdPfr0El1 = 0x0002_2008,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=1 op2=1.
        WHvArm64RegisterIdPfr1El1 = 0x0002_2009,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=1 op2=2.
        WHvArm64RegisterIdDfr0El1 = 0x0002_200A,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=1 op2=3.
        WHvArm64RegisterIdRes13El1 = 0x0002_200B,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=1 op2=4.
        WHvArm64RegisterIdMmfr0El1 = 0x0002_200C,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=1 op2=5.
        WHvArm64RegisterIdMmfr1El1 = 0x0002_200D,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=1 op2=6.
        WHvArm64RegisterIdMmfr2El1 = 0x0002_200E,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=1 op2=7.
        WHvArm64RegisterIdMmfr3El1 = 0x0002_200F,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=2 op2=0.
        WHvArm64RegisterIdIsar0El1 = 0x0002_2010,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=2 op2=1.
        WHvArm64RegisterIdIsar1El1 = 0x0002_2011,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=2 op2=2.
        WHvArm64RegisterIdIsar2El1 = 0x0002_2012,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=2 op2=3.
        WHvArm64RegisterIdIsar3El1 = 0x0002_2013,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=2 op2=4.
        WHvArm64RegisterIdIsar4El1 = 0x0002_2014,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=2 op2=5.
        WHvArm64RegisterIdIsar5El1 = 0x0002_2015,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=2 op2=6.
        WHvArm64RegisterIdRes26El1 = 0x0002_2016,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=2 op2=7.
        WHvArm64RegisterIdRes27El1 = 0x0002_2017,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=3 op2=0.
        WHvArm64RegisterIdMvfr0El1 = 0x0002_2018,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=3 op2=1.
        WHvArm64RegisterIdMvfr1El1 = 0x0002_2019,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=3 op2=2.
        WHvArm64RegisterIdMvfr2El1 = 0x0002_201A,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=3 op2=3.
        WHvArm64RegisterIdRes33El1 = 0x0002_201B,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=3 op2=4.
        WHvArm64RegisterIdPfr2El1 = 0x0002_201C,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=3 op2=5.
        WHvArm64RegisterIdRes35El1 = 0x0002_201D,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=3 op2=6.
        WHvArm64RegisterIdRes36El1 = 0x0002_201E,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=3 op2=7.
        WHvArm64RegisterIdRes37El1 = 0x0002_201F,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=4 op2=0.
        WHvArm64RegisterIdAa64Pfr0El1 = 0x0002_2020,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=4 op2=1.
        WHvArm64RegisterIdAa64Pfr1El1 = 0x0002_2021,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=4 op2=2.
        WHvArm64RegisterIdAa64Pfr2El1 = 0x0002_2022,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=4 op2=3.
        WHvArm64RegisterIdRes43El1 = 0x0002_2023,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=4 op2=4.
        WHvArm64RegisterIdAa64Zfr0El1 = 0x0002_2024,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=4 op2=5.
        WHvArm64RegisterIdAa64Smfr0El1 = 0x0002_2025,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=4 op2=6.
        WHvArm64RegisterIdRes46El1 = 0x0002_2026,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=4 op2=7.
        WHvArm64RegisterIdRes47El1 = 0x0002_2027,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=5 op2=0.
        WHvArm64RegisterIdAa64Dfr0El1 = 0x0002_2028,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=5 op2=1.
        WHvArm64RegisterIdAa64Dfr1El1 = 0x0002_2029,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=5 op2=2.
        WHvArm64RegisterIdRes52El1 = 0x0002_202A,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=5 op2=3.
        WHvArm64RegisterIdRes53El1 = 0x0002_202B,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=5 op2=4.
        WHvArm64RegisterIdRes54El1 = 0x0002_202C,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=5 op2=5.
        WHvArm64RegisterIdRes55El1 = 0x0002_202D,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=5 op2=6.
        WHvArm64RegisterIdRes56El1 = 0x0002_202E,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=5 op2=7.
        WHvArm64RegisterIdRes57El1 = 0x0002_202F,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=6 op2=0.
        WHvArm64RegisterIdAa64Isar0El1 = 0x0002_2030,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=6 op2=1.
        WHvArm64RegisterIdAa64Isar1El1 = 0x0002_2031,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=6 op2=2.
        WHvArm64RegisterIdAa64Isar2El1 = 0x0002_2032,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=6 op2=3.
        WHvArm64RegisterIdRes63El1 = 0x0002_2033,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=6 op2=4.
        WHvArm64RegisterIdRes64El1 = 0x0002_2034,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=6 op2=5.
        WHvArm64RegisterIdRes65El1 = 0x0002_2035,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=6 op2=6.
        WHvArm64RegisterIdRes66El1 = 0x0002_2036,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=6 op2=7.
        WHvArm64RegisterIdRes67El1 = 0x0002_2037,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=7 op2=0.
        WHvArm64RegisterIdAa64Mmfr0El1 = 0x0002_2038,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=7 op2=1.
        WHvArm64RegisterIdAa64Mmfr1El1 = 0x0002_2039,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=7 op2=2.
        WHvArm64RegisterIdAa64Mmfr2El1 = 0x0002_203A,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=7 op2=3.
        WHvArm64RegisterIdAa64Mmfr3El1 = 0x0002_203B,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=7 op2=4.
        WHvArm64RegisterIdAa64Mmfr4El1 = 0x0002_203C,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=7 op2=5.
        WHvArm64RegisterIdRes75El1 = 0x0002_203D,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=7 op2=6.
        WHvArm64RegisterIdRes76El1 = 0x0002_203E,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=7 op2=7.
        WHvArm64RegisterIdRes77El1 = 0x0002_203F,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=8 op2=0.
        WHvArm64RegisterIdRes80El1 = 0x0002_2040,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=8 op2=1.
        WHvArm64RegisterIdRes81El1 = 0x0002_2041,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=8 op2=2.
        WHvArm64RegisterIdRes82El1 = 0x0002_2042,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=8 op2=3.
        WHvArm64RegisterIdRes83El1 = 0x0002_2043,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=8 op2=4.
        WHvArm64RegisterIdRes84El1 = 0x0002_2044,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=8 op2=5.
        WHvArm64RegisterIdRes85El1 = 0x0002_2045,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=8 op2=6.
        WHvArm64RegisterIdRes86El1 = 0x0002_2046,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=8 op2=7.
        WHvArm64RegisterIdRes87El1 = 0x0002_2047,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=9 op2=0.
        WHvArm64RegisterIdRes90El1 = 0x0002_2048,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=9 op2=1.
        WHvArm64RegisterIdRes91El1 = 0x0002_2049,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=9 op2=2.
        WHvArm64RegisterIdRes92El1 = 0x0002_204A,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=9 op2=3.
        WHvArm64RegisterIdRes93El1 = 0x0002_204B,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=9 op2=4.
        WHvArm64RegisterIdRes94El1 = 0x0002_204C,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=9 op2=5.
        WHvArm64RegisterIdRes95El1 = 0x0002_204D,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=9 op2=6.
        WHvArm64RegisterIdRes96El1 = 0x0002_204E,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=9 op2=7.
        WHvArm64RegisterIdRes97El1 = 0x0002_204F,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=10 op2=0.
        WHvArm64RegisterIdRes100El1 = 0x0002_2050,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=10 op2=1.
        WHvArm64RegisterIdRes101El1 = 0x0002_2051,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=10 op2=2.
        WHvArm64RegisterIdRes102El1 = 0x0002_2052,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=10 op2=3.
        WHvArm64RegisterIdRes103El1 = 0x0002_2053,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=10 op2=4.
        WHvArm64RegisterIdRes104El1 = 0x0002_2054,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=10 op2=5.
        WHvArm64RegisterIdRes105El1 = 0x0002_2055,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=10 op2=6.
        WHvArm64RegisterIdRes106El1 = 0x0002_2056,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=10 op2=7.
        WHvArm64RegisterIdRes107El1 = 0x0002_2057,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=11 op2=0.
        WHvArm64RegisterIdRes110El1 = 0x0002_2058,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=11 op2=1.
        WHvArm64RegisterIdRes111El1 = 0x0002_2059,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=11 op2=2.
        WHvArm64RegisterIdRes112El1 = 0x0002_205A,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=11 op2=3.
        WHvArm64RegisterIdRes113El1 = 0x0002_205B,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=11 op2=4.
        WHvArm64RegisterIdRes114El1 = 0x0002_205C,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=11 op2=5.
        WHvArm64RegisterIdRes115El1 = 0x0002_205D,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=11 op2=6.
        WHvArm64RegisterIdRes116El1 = 0x0002_205E,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=11 op2=7.
        WHvArm64RegisterIdRes117El1 = 0x0002_205F,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=12 op2=0.
        WHvArm64RegisterIdRes120El1 = 0x0002_2060,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=12 op2=1.
        WHvArm64RegisterIdRes121El1 = 0x0002_2061,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=12 op2=2.
        WHvArm64RegisterIdRes122El1 = 0x0002_2062,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=12 op2=3.
        WHvArm64RegisterIdRes123El1 = 0x0002_2063,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=12 op2=4.
        WHvArm64RegisterIdRes124El1 = 0x0002_2064,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=12 op2=5.
        WHvArm64RegisterIdRes125El1 = 0x0002_2065,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=12 op2=6.
        WHvArm64RegisterIdRes126El1 = 0x0002_2066,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=12 op2=7.
        WHvArm64RegisterIdRes127El1 = 0x0002_2067,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=13 op2=0.
        WHvArm64RegisterIdRes130El1 = 0x0002_2068,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=13 op2=1.
        WHvArm64RegisterIdRes131El1 = 0x0002_2069,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=13 op2=2.
        WHvArm64RegisterIdRes132El1 = 0x0002_206A,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=13 op2=3.
        WHvArm64RegisterIdRes133El1 = 0x0002_206B,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=13 op2=4.
        WHvArm64RegisterIdRes134El1 = 0x0002_206C,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=13 op2=5.
        WHvArm64RegisterIdRes135El1 = 0x0002_206D,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=13 op2=6.
        WHvArm64RegisterIdRes136El1 = 0x0002_206E,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=13 op2=7.
        WHvArm64RegisterIdRes137El1 = 0x0002_206F,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=14 op2=0.
        WHvArm64RegisterIdRes140El1 = 0x0002_2070,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=14 op2=1.
        WHvArm64RegisterIdRes141El1 = 0x0002_2071,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=14 op2=2.
        WHvArm64RegisterIdRes142El1 = 0x0002_2072,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=14 op2=3.
        WHvArm64RegisterIdRes143El1 = 0x0002_2073,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=14 op2=4.
        WHvArm64RegisterIdRes144El1 = 0x0002_2074,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=14 op2=5.
        WHvArm64RegisterIdRes145El1 = 0x0002_2075,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=14 op2=6.
        WHvArm64RegisterIdRes146El1 = 0x0002_2076,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=14 op2=7.
        WHvArm64RegisterIdRes147El1 = 0x0002_2077,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=15 op2=0.
        WHvArm64RegisterIdRes150El1 = 0x0002_2078,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=15 op2=1.
        WHvArm64RegisterIdRes151El1 = 0x0002_2079,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=15 op2=2.
        WHvArm64RegisterIdRes152El1 = 0x0002_207A,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=15 op2=3.
        WHvArm64RegisterIdRes153El1 = 0x0002_207B,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=15 op2=4.
        WHvArm64RegisterIdRes154El1 = 0x0002_207C,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=15 op2=5.
        WHvArm64RegisterIdRes155El1 = 0x0002_207D,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=15 op2=6.
        WHvArm64RegisterIdRes156El1 = 0x0002_207E,
        /// 64 bits in `Reg64`, partition-wide; op0=3 op1=0 CRn=0 CRm=15 op2=7.
        WHvArm64RegisterIdRes157El1 = 0x0002_207F,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterActlrEl1 = 0x0004_0003,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterApdAKeyHiEl1 = 0x0004_0026,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterApdAKeyLoEl1 = 0x0004_0027,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterApdBKeyHiEl1 = 0x0004_0028,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterApdBKeyLoEl1 = 0x0004_0029,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterApgAKeyHiEl1 = 0x0004_002A,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterApgAKeyLoEl1 = 0x0004_002B,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterApiAKeyHiEl1 = 0x0004_002C,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterApiAKeyLoEl1 = 0x0004_002D,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterApiBKeyHiEl1 = 0x0004_002E,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterApiBKeyLoEl1 = 0x0004_002F,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterContextidrEl1 = 0x0004_000D,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterCpacrEl1 = 0x0004_0004,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterCsselrEl1 = 0x0004_0035,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterEsrEl1 = 0x0004_0008,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterFarEl1 = 0x0004_0009,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterMairEl1 = 0x0004_000B,
        /// 64 bits in `Reg64`; MIDR_EL1 of this VP.
        WHvArm64RegisterMidrEl1 = 0x0004_0051,
        /// 64 bits in `Reg64`; MPIDR_EL1 of this VP.
        WHvArm64RegisterMpidrEl1 = 0x0004_0001,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterParEl1 = 0x0004_000A,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterSctlrEl1 = 0x0004_0002,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterTcrEl1 = 0x0004_0007,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterTpidrEl0 = 0x0004_0011,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterTpidrEl1 = 0x0004_000E,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterTpidrroEl0 = 0x0004_0010,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterTtbr0El1 = 0x0004_0005,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterTtbr1El1 = 0x0004_0006,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterVbarEl1 = 0x0004_000C,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterZcrEl1 = 0x0004_0071,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbcr0El1 = 0x0005_0000,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbcr1El1 = 0x0005_0001,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbcr2El1 = 0x0005_0002,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbcr3El1 = 0x0005_0003,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbcr4El1 = 0x0005_0004,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbcr5El1 = 0x0005_0005,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbcr6El1 = 0x0005_0006,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbcr7El1 = 0x0005_0007,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbcr8El1 = 0x0005_0008,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbcr9El1 = 0x0005_0009,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbcr10El1 = 0x0005_000A,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbcr11El1 = 0x0005_000B,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbcr12El1 = 0x0005_000C,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbcr13El1 = 0x0005_000D,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbcr14El1 = 0x0005_000E,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbcr15El1 = 0x0005_000F,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbvr0El1 = 0x0005_0020,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbvr1El1 = 0x0005_0021,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbvr2El1 = 0x0005_0022,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbvr3El1 = 0x0005_0023,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbvr4El1 = 0x0005_0024,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbvr5El1 = 0x0005_0025,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbvr6El1 = 0x0005_0026,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbvr7El1 = 0x0005_0027,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbvr8El1 = 0x0005_0028,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbvr9El1 = 0x0005_0029,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbvr10El1 = 0x0005_002A,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbvr11El1 = 0x0005_002B,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbvr12El1 = 0x0005_002C,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbvr13El1 = 0x0005_002D,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbvr14El1 = 0x0005_002E,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgbvr15El1 = 0x0005_002F,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgprcrEl1 = 0x0005_0045,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwcr0El1 = 0x0005_0010,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwcr1El1 = 0x0005_0011,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwcr2El1 = 0x0005_0012,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwcr3El1 = 0x0005_0013,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwcr4El1 = 0x0005_0014,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwcr5El1 = 0x0005_0015,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwcr6El1 = 0x0005_0016,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwcr7El1 = 0x0005_0017,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwcr8El1 = 0x0005_0018,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwcr9El1 = 0x0005_0019,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwcr10El1 = 0x0005_001A,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwcr11El1 = 0x0005_001B,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwcr12El1 = 0x0005_001C,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwcr13El1 = 0x0005_001D,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwcr14El1 = 0x0005_001E,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwcr15El1 = 0x0005_001F,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwvr0El1 = 0x0005_0030,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwvr1El1 = 0x0005_0031,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwvr2El1 = 0x0005_0032,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwvr3El1 = 0x0005_0033,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwvr4El1 = 0x0005_0034,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwvr5El1 = 0x0005_0035,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwvr6El1 = 0x0005_0036,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwvr7El1 = 0x0005_0037,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwvr8El1 = 0x0005_0038,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwvr9El1 = 0x0005_0039,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwvr10El1 = 0x0005_003A,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwvr11El1 = 0x0005_003B,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwvr12El1 = 0x0005_003C,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwvr13El1 = 0x0005_003D,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwvr14El1 = 0x0005_003E,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterDbgwvr15El1 = 0x0005_003F,
        /// 64 bits in `Reg64`, read-only.
        WHvArm64RegisterMdrarEl1 = 0x0005_004C,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterMdscrEl1 = 0x0005_004D,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterOsdlrEl1 = 0x0005_004E,
        /// 64 bits in `Reg64`, write-only.
        WHvArm64RegisterOslarEl1 = 0x0005_0052,
        /// 64 bits in `Reg64`, read-only.
        WHvArm64RegisterOslsrEl1 = 0x0005_0053,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmccfiltrEl0 = 0x0005_2000,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmccntrEl0 = 0x0005_2001,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmceid0El0 = 0x0005_2002,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmceid1El0 = 0x0005_2003,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmcntenclrEl0 = 0x0005_2004,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmcntensetEl0 = 0x0005_2005,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmcrEl0 = 0x0005_2006,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr0El0 = 0x0005_2007,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr1El0 = 0x0005_2008,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr2El0 = 0x0005_2009,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr3El0 = 0x0005_200A,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr4El0 = 0x0005_200B,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr5El0 = 0x0005_200C,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr6El0 = 0x0005_200D,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr7El0 = 0x0005_200E,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr8El0 = 0x0005_200F,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr9El0 = 0x0005_2010,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr10El0 = 0x0005_2011,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr11El0 = 0x0005_2012,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr12El0 = 0x0005_2013,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr13El0 = 0x0005_2014,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr14El0 = 0x0005_2015,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr15El0 = 0x0005_2016,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr16El0 = 0x0005_2017,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr17El0 = 0x0005_2018,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr18El0 = 0x0005_2019,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr19El0 = 0x0005_201A,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr20El0 = 0x0005_201B,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr21El0 = 0x0005_201C,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr22El0 = 0x0005_201D,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr23El0 = 0x0005_201E,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr24El0 = 0x0005_201F,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr25El0 = 0x0005_2020,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr26El0 = 0x0005_2021,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr27El0 = 0x0005_2022,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr28El0 = 0x0005_2023,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr29El0 = 0x0005_2024,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevcntr30El0 = 0x0005_2025,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper0El0 = 0x0005_2026,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper1El0 = 0x0005_2027,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper2El0 = 0x0005_2028,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper3El0 = 0x0005_2029,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper4El0 = 0x0005_202A,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper5El0 = 0x0005_202B,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper6El0 = 0x0005_202C,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper7El0 = 0x0005_202D,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper8El0 = 0x0005_202E,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper9El0 = 0x0005_202F,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper10El0 = 0x0005_2030,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper11El0 = 0x0005_2031,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper12El0 = 0x0005_2032,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper13El0 = 0x0005_2033,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper14El0 = 0x0005_2034,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper15El0 = 0x0005_2035,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper16El0 = 0x0005_2036,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper17El0 = 0x0005_2037,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper18El0 = 0x0005_2038,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper19El0 = 0x0005_2039,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper20El0 = 0x0005_203A,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper21El0 = 0x0005_203B,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper22El0 = 0x0005_203C,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper23El0 = 0x0005_203D,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper24El0 = 0x0005_203E,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper25El0 = 0x0005_203F,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper26El0 = 0x0005_2040,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper27El0 = 0x0005_2041,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper28El0 = 0x0005_2042,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper29El0 = 0x0005_2043,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmevtyper30El0 = 0x0005_2044,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmintenclrEl1 = 0x0005_2045,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmintensetEl1 = 0x0005_2046,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmovsclrEl0 = 0x0005_2048,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmovssetEl0 = 0x0005_2049,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmselrEl0 = 0x0005_204A,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterPmuserenrEl0 = 0x0005_204C,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterCntkctlEl1 = 0x0005_8008,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterCntvCtlEl0 = 0x0005_800E,
        /// 64 bits in `Reg64`.
        WHvArm64RegisterCntvCvalEl0 = 0x0005_800F,
        /// 64 bits in `Reg64`, read-only; virtual counter value.
        WHvArm64RegisterCntvctEl0 = 0x0005_8011,
        /// 64 bits in `Reg64`; GIC redistributor base; must be set before the first run.
        WHvArm64RegisterGicrBaseGpa = 0x0006_3000,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint0 = 0x000A_0000,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint1 = 0x000A_0001,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint2 = 0x000A_0002,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint3 = 0x000A_0003,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint4 = 0x000A_0004,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint5 = 0x000A_0005,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint6 = 0x000A_0006,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint7 = 0x000A_0007,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint8 = 0x000A_0008,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint9 = 0x000A_0009,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint10 = 0x000A_000A,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint11 = 0x000A_000B,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint12 = 0x000A_000C,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint13 = 0x000A_000D,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint14 = 0x000A_000E,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint15 = 0x000A_000F,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterScontrol = 0x000A_0010,
        /// 64 bits in `Reg64`, read-only; SynIC.
        WHvRegisterSversion = 0x000A_0011,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSifp = 0x000A_0012,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSipp = 0x000A_0013,
        /// 64 bits in `Reg64`, write-only; SynIC.
        WHvRegisterEom = 0x000A_0014,
        /// 128 bits in `Reg128`, partition-wide; synthetic CPUID-style leaf.
        WHvRegisterHypervisorVersion = 0x100,
        /// 128 bits in `Reg128`, partition-wide; synthetic CPUID-style leaf.
        WHvRegisterPrivilegesAndFeaturesInfo = 0x200,
        /// 128 bits in `Reg128`, partition-wide; synthetic CPUID-style leaf.
        WHvRegisterFeaturesInfo = 0x201,
        /// 128 bits in `Reg128`, partition-wide; synthetic CPUID-style leaf.
        WHvRegisterImplementationLimitsInfo = 0x202,
        /// 128 bits in `Reg128`, partition-wide; synthetic CPUID-style leaf.
        WHvRegisterHardwareFeaturesInfo = 0x203,
        /// 128 bits in `Reg128`, partition-wide; synthetic CPUID-style leaf.
        WHvRegisterCpuManagementFeaturesInfo = 0x204,
        /// 128 bits in `Reg128`, partition-wide; synthetic CPUID-style leaf.
        WHvRegisterPasidFeaturesInfo = 0x205,
        /// 64 bits in `Reg64`; guest write causes a register intercept exit.
        WHvRegisterGuestCrashP0 = 0x210,
        /// 64 bits in `Reg64`; guest write causes a register intercept exit.
        WHvRegisterGuestCrashP1 = 0x211,
        /// 64 bits in `Reg64`; guest write causes a register intercept exit.
        WHvRegisterGuestCrashP2 = 0x212,
        /// 64 bits in `Reg64`; guest write causes a register intercept exit.
        WHvRegisterGuestCrashP3 = 0x213,
        /// 64 bits in `Reg64`; guest write causes a register intercept exit.
        WHvRegisterGuestCrashP4 = 0x214,
        /// 64 bits in `Reg64`; guest write causes a register intercept exit.
        WHvRegisterGuestCrashCtl = 0x215,
        /// 64 bits in `Reg64`.
        WHvRegisterVpRuntime = 0x0009_0000,
        /// 64 bits in `Reg64`, partition-wide.
        WHvRegisterGuestOsId = 0x0009_0002,
        /// 64 bits in `Reg64`.
        WHvRegisterVpAssistPage = 0x0009_0013,
        /// 64 bits in `Reg64`, partition-wide.
        WHvArm64RegisterPartitionInfoPage = 0x0009_0015,
        /// 64 bits in `Reg64`, partition-wide.
        WHvRegisterReferenceTsc = 0x0009_0017,
        /// 64 bits in `Reg64`, partition-wide.
        WHvRegisterReferenceTscSequence = 0x0009_001A,
        /// 128 bits in `Reg128`; 128-bit slice of WHV_ARM64_PENDING_EVENT.
        WHvRegisterPendingEvent0 = 0x0001_0004,
        /// 128 bits in `Reg128`; 128-bit slice of WHV_ARM64_PENDING_EVENT.
        WHvRegisterPendingEvent1 = 0x0001_0005,
        /// 64 bits in `DeliverabilityNotifications`.
        WHvRegisterDeliverabilityNotifications = 0x0001_0006,
        /// 64 bits in `InternalActivity`.
        WHvRegisterInternalActivityState = 4,
        /// 128 bits in `Reg128`; 128-bit slice of WHV_ARM64_PENDING_EVENT.
        WHvRegisterPendingEvent2 = 0x0001_0008,
        /// 128 bits in `Reg128`; 128-bit slice of WHV_ARM64_PENDING_EVENT.
        WHvRegisterPendingEvent3 = 0x0001_0009,
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[Record::plain::<WHV_REGISTER_NAME>("WHV_REGISTER_NAME")];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[WHV_REGISTER_NAME::ENUMERATION];
