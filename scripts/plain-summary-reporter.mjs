/** Ends a test run with the plain line `N passed, N failed`. */
export default class PlainSummaryReporter {
  onTestRunEnd(modules, unhandledErrors) {
    let passed = 0;
    let failed = unhandledErrors.length;
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "passed") passed++;
        else if (state === "failed") failed++;
      }
      failed += module.errors().length;
    }
    process.on("exit", () => console.log(`${passed} passed, ${failed} failed`));
  }
}
