RepairBenchmark.main()
