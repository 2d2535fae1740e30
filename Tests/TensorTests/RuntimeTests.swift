import SutureTensor
import Testing

@Suite("Runtime and devices", .serialized)
struct RuntimeTests {
    @Test("the libtorch that is loaded is the one this was built against")
    func version() throws {
        #expect(Runtime.version.split(separator: ".").count >= 3)
    }

    @Test("the number of threads can be set, and is at least one")
    func threads() async {
        // All tests beside it would change their last bits.
        await #expect(processExitsWith: .success) {
            Runtime.threads = 2
            #expect(Runtime.threads == 2)
            Runtime.threads = 0
            #expect(Runtime.threads == 1)
        }
    }

    @Test("devices read their own text", arguments: ["cpu", "cuda:0", "cuda:1", "mps"])
    func devices(text: String) throws {
        #expect(try #require(Device(text)).description == text)
    }

    @Test(
        "text that is no device is none",
        arguments: [
            "", ":", "gpu", "CPU", "cpu:0", "mps:0", "cuda:", "cuda:-1", "cuda:+1", "cuda:01", "cuda:1:2", "cuda:128",
            "cuda: 1", " cpu", "cuda:99999999999"
        ])
    func noDevice(text: String) { #expect(Device(text) == nil) }

    @Test("the processor is always there, and the first CUDA device may be left unnamed")
    func available() throws {
        #expect(Device.cpu.isAvailable)
        #expect(Device("cuda") == Device("cuda:0"))
        #expect(Device("cpu") == .cpu)
        Device.cpu.synchronize()
        #expect(try Tensor([1.0]).to(.cpu).device == .cpu)
    }

    @Test("a device that is not there is an error of one line", arguments: ["cuda:1", "mps"])
    func absent(text: String) throws {
        let device = try #require(Device(text))
        guard !device.isAvailable else { return }
        let making = try #require(message { _ = try Tensor.zeros([2], device: device) })
        #expect(making.hasPrefix("full[2]: "))
        #expect(!making.contains("\n"))
        let moving = try #require(message { _ = try Tensor([1.0], device: device) })
        #expect(moving.hasPrefix("to(\(text))(float64[1]): "))
    }
}
