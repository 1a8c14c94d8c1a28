/** What the build puts in place of `globalThis.__CARDINAL_VERSION__`; sources that run as they are have nothing there. */
const built = (globalThis as { __CARDINAL_VERSION__?: string }).__CARDINAL_VERSION__;

/** This program's version: the release and the commit it was built from, at most 32 bytes. */
export const softwareVersion: string = built ?? "0.1.0+source";
