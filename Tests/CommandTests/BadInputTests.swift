import Foundation
import Testing

/// What a command may never do with bad files and arguments: crash, exit with the wrong code, say nothing
/// or too much, leave something behind.
@Suite("Bad files and arguments")
struct BadInputTests {
    /// A command line, and what its one line of error has to say.
    struct Case: Sendable, CustomTestStringConvertible {
        let line: String
        let says: String
        init(_ line: String, _ says: String) { (self.line, self.says) = (line, says) }
        var testDescription: String { "suture \(line)" }
    }

    // One place for each kind, so that no command sees what another one writes.
    private static let places = Result { try (1...4).map { _ in try Workplace() } }

    @Test("files that are not what they should be end with 4", .serialized, arguments: badFiles)
    func badFile(_ given: Case) throws { try check(given, code: 4) }

    @Test("requests that make no sense end with 2", .serialized, arguments: badRequests)
    func badRequest(_ given: Case) throws { try check(given, code: 2) }

    @Test("work that is refused ends with 3", .serialized, arguments: refusals)
    func refusal(_ given: Case) throws { try check(given, code: 3) }

    @Test("work that cannot be done ends with 1", .serialized, arguments: failures)
    func failure(_ given: Case) throws { try check(given, code: 1) }

    private func check(_ given: Case, code: Int32) throws {
        let workplace = try Self.places.get()[Int(code) - 1]
        let before = try workplace.listing()
        let outcome = try workplace.run(given.line.replacing("ID", with: try workplace.goodID))
        #expect(outcome.status == code)
        #expect(outcome.errors.contains(given.says), "\(outcome.errors)")
        // Arguments that cannot be parsed are answered by the parser, which adds how the command is used.
        if !(code == 2 && outcome.errors.hasPrefix("Error: ")) {
            #expect(outcome.errors.hasPrefix("error: ") && outcome.errors.hasSuffix("\n"), "\(outcome.errors)")
            #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
        }
        let ofTheProgram = /Suture[A-Z]|[A-Z][a-z]+Error|Swift\.|Optional|NSCocoa|\bnil\b|\.swift/
        #expect(outcome.errors.firstMatch(of: ofTheProgram) == nil, "\(outcome.errors)")
        #expect(outcome.output.isEmpty, "\(outcome.text)")
        #expect(try workplace.listing() == before)
    }
}

extension BadInputTests {
    static let badFiles: [Case] = [
        // Models
        Case("inspect nowhere", "nowhere: there is no such model"),
        Case("inspect no-config", "config.json is missing"),
        Case("inspect bad-config", "bad-config/config.json"),
        Case("inspect config-list", "config-list/config.json"),
        Case("inspect family", "found bert"),
        Case("inspect experts", "found mixtral); mixtures of experts are not supported"),
        Case("inspect no-width", "hidden_size"),
        Case("inspect text-width", "hidden_size"),
        Case("inspect minus-layers", "num_hidden_layers: this size is out of range"),
        Case("inspect all-layers", "num_hidden_layers: this size is out of range"),
        Case("inspect no-heads", "no-heads/config.json"),
        Case("inspect odd-heads", "heads"),
        Case("inspect activation", "swish9"),
        Case("inspect cut", "cut/model.safetensors"),
        Case("inspect header", "the header is too long"),
        Case("inspect no-weights", "there are no weights"),
        Case("inspect pickle", "pickled"),
        Case("inspect directory", "not a regular file"),
        Case("inspect traversal", "outside of its directory"),
        Case("inspect no-shard", "missing"),
        Case("inspect bad-tokenizer", "bad-tokenizer/tokenizer.json"),
        Case("inspect text.gguf", "text.gguf"),
        Case("inspect magic.gguf", "magic.gguf"),
        Case("inspect cut-in-data.gguf", "cut-in-data.gguf"),
        Case("inspect version-99.gguf", "99"),
        Case("inspect shape-overflow.gguf", "shape-overflow.gguf"),
        Case("generate nowhere -p a", "there is no such model"),
        Case("generate wide -p a", "embed_tokens"),
        Case("generate deep -p a", "model.layers.2"),
        Case("generate missing -p a", "v_proj"),
        Case("generate integers -p a", "q_proj"),
        Case("generate no-tokenizer -p a", "no-tokenizer/tokenizer.json"),
        Case("generate bad-tokenizer -p a", "bad-tokenizer/tokenizer.json"),
        Case("generate bare-tokenizer -p a", "model"),
        Case("generate unigram -p a", "\"Unigram\" is not supported"),
        Case("generate nan -p a", "not a number"),
        Case("repair nan -p a -e b --guard-texts texts.txt --format quiet", "not a number"),
        Case("convert text.gguf -o new", "text.gguf"),
        Case("convert cut -o new", "cut/model.safetensors"),
        Case("parity model --golden nowhere", "nowhere"),
        Case("parity model --golden text.gguf", "text.gguf"),
        Case("parity model --golden model/model.safetensors", "no prompts"),
        // Patches
        Case("show nowhere.fix", "nowhere.fix"),
        Case("show model", "not a regular file"),
        Case("show cut.fix", "cut.fix"),
        Case("show empty.fix", "too short"),
        Case("show header.fix", "the header is too long"),
        Case("show plain.fix", "this is not a patch"),
        Case("show version.fix", "suture.patch/9"),
        Case("show text.fix", "manifest"),
        Case("show bare.fix", "schema"),
        Case("show tampered.fix", "tampered.fix"),
        Case("show model/model.safetensors", "this is not a patch"),
        Case("check model tampered.fix", "tampered.fix"),
        Case("apply model cut.fix -o new", "cut.fix"),
        Case("apply cut good.fix -o new", "cut/model.safetensors"),
        Case("generate model -p a --patch plain.fix", "this is not a patch"),
        Case("log nowhere", "there is no such model"),
        Case("log bad-lock", "bad-lock/suture.lock.json"),
        Case("log lost-patch", "lost-patch/suture"),
        Case("revert bad-lock 12 -o new", "bad-lock/suture.lock.json"),
        Case("diff model cut", "cut/model.safetensors"),
        Case("extract cut model -o new", "cut/model.safetensors"),
        Case("combine good.fix cut.fix -o new", "cut.fix"),
        Case("combine good.fix=2 plain.fix=1 -o new", "this is not a patch"),
        Case("export tampered.fix --to peft -o new", "tampered.fix"),
        Case("import text.gguf --base model -o new", "text.gguf"),
        Case("import nowhere --base model -o new", "there is no such file"),
        Case("import half-adapter --base model -o new", "adapters.safetensors"),
        Case("minimize cut.fix --check true -o new", "cut.fix"),
        Case("bisect bad-lock --check true", "bad-lock/suture.lock.json"),
        Case("transfer model other cut -o new", "cut/model.safetensors"),
        // Lists
        Case("repair model --failures nowhere.tsv", "nowhere.tsv"),
        Case("repair model --failures model", "not a regular file"),
        Case("repair model --failures empty.jsonl", "there are no failures"),
        Case("repair model --failures syntax.jsonl", "syntax.jsonl, line 1"),
        Case("repair model --failures key.jsonl", "key.jsonl, line 2"),
        Case("repair model --failures type.jsonl", "type.jsonl, line 1"),
        Case("repair model --failures utf8.jsonl", "utf8.jsonl, line 1"),
        Case("repair model --failures answer.jsonl", "answer"),
        Case("repair model --failures utf8.tsv", "utf8.tsv, line 1: this line is not UTF-8"),
        Case("repair model --failures columns.tsv", "found 3 columns"),
        Case("detect model columns.tsv", "columns.tsv, line 1: no column of intents"),
        Case("detect model texts.txt", "this is no data set"),
        Case("evaluate model --data tasks.tsv --data columns.tsv --log run.log", "columns.tsv, line 1"),
        Case("detect model columns.tsv --template key.jsonl", "key.jsonl"),
        Case("evaluate model --data columns.tsv --log run.log", "columns.tsv, line 1: no column of intents"),
        Case("detect model key.jsonl", "key.jsonl, line"),
        Case("detect model texts.txt --codes utf8.tsv", "as many lines"),
        // Images
        Case("train nowhere -o new", "nowhere"),
        Case("train cut-images -o new", "cut-images/train-images-idx3-ubyte"),
        Case("train no-images -o new", "no IDX file"),
        Case("train few-labels -o new", "one label for each image"),
        Case("train cut-pictures -o new", "cut-pictures/cat/1.png: this PNG file cannot be read"),
        Case("classify classifier lists", "there are no images here"),
        Case("classify classifier good.fix", "good.fix: this is no set of images"),
        Case("corrupt nowhere -o new --all", "nowhere"),
        Case("corrupt cut-pictures -o new --all", "cut-pictures/cat/1.png"),
        Case("corrupt cut-images -o new --all --split train", "cut-images/train-images-idx3-ubyte"),
        Case("train images -o new --init model", "not an image classifier"),
        Case("train images -o new --resume bad-training", "bad-training/training.json"),
        Case("train images -o new --resume classifier", "training.json"),
        Case("classify model images", "not an image classifier"),
        Case("classify no-classes images", "batch_norm"),
        Case("classify wide-classifier images", "features.4.weight"),
        Case("classify classifier images --patch plain.fix", "this is not a patch"),
        Case("robustness classifier --data images --signature plain.fix", "this is not a patch"),
        Case("robustness classifier --data images --baseline model", "not an image classifier"),
        Case("repair model -p a -e b --guard-texts utf8.txt", "utf8.txt: this file is not UTF-8"),
        Case("repair model -p a -e b --guard-texts empty.txt", "there are no texts")
    ]

    static let badRequests: [Case] = [
        Case("unknown", "unknown"),
        Case("detect model columns.tsv --shots 99", "--shots is 0...64"),
        Case("detect model columns.tsv --task cobol", "--task is bash, python, shellcode"),
        Case("detect model columns.tsv --part half", "half"),
        Case("evaluate model --data columns.tsv --data columns.tsv --log run.log", "names each data set once"),
        Case("evaluate model --data columns.tsv --log run.log --task bash --task python", "--task is given once"),
        Case("evaluate model --data columns.tsv --log run.log --methods magic", "there is no \"magic\""),
        Case("evaluate model --data columns.tsv --log run.log --study all", "there is no \"all\""),
        Case("detect model columns.tsv --limit 0", "--limit is 1 or more"),
        Case("train images -o new --epochs 0", "epochs are out of range"),
        Case("train images -o new --rate nan", "rate is out of range"),
        Case("train images -o new --batch 0", "batch size is out of range"),
        Case("train images -o new --schedule 3,x", "--schedule"),
        Case("train images -o new --save-at x", "--save-at"),
        Case("train images -o new --held-out 1", "--held-out"),
        Case("train images -o new --width 0", "--width is"),
        Case("train images -o new --architecture vgg12", "--architecture is one of"),
        Case("train images -o new --init classifier --width 2", "--init brings its own"),
        Case("train images", "--output"),
        Case("train images -o new --architecture vgg16 --width 0.02", "images are too small"),
        Case("train images -o new --corrupt fog", "--corrupt"),
        Case("train images -o new --corrupt fog:3,", "--corrupt"),
        Case("train images -o new --corrupted-share 0.5", "--corrupted-share needs"),
        Case("train images -o new --corrupt contrast:3 --corrupted-share 2", "--corrupted-share is"),
        Case("classify classifier three", "another number of classes"),
        Case("reproduce signatures --data images --models new --studies all", "--studies are"),
        Case("reproduce signatures --data images --models new --corruptions fog", "--corruptions"),
        Case("reproduce signatures --data images --models new --epochs 0", "--epochs"),
        Case("robustness classifier --data three", "another number of classes"),
        Case("robustness classifier --data images --scale 1", "--scale needs"),
        Case("robustness classifier --data images --corruptions rain", "--corruptions are"),
        Case("robustness classifier --data images --severities 0", "--severities"),
        Case("robustness classifier --data images --report page.pdf", ".html"),
        Case("classify classifier images --split some", "--split"),
        Case("classify classifier images --severity 3", "only a .npy file"),
        Case("train images -o new --pad 0", "--pad is 1...4096"),
        Case("train images -o new --pad 9 --resize 9", "--resize or --pad"),
        Case("corrupt images --all", "--output, a --sheet or both"),
        Case("corrupt images -o new", "--corruption or --all"),
        Case("corrupt images -o new --all --corruption fog", "--corruption or --all"),
        Case("corrupt images -o new --corruption rain:3", "not \"rain:3\""),
        Case("corrupt images -o new --corruption fog:6", "not \"fog:6\""),
        Case("corrupt images -o new --all --severity 0,1", "--severity is a list"),
        Case("corrupt images -o new --all --as zip", "--as"),
        Case("corrupt images -o new --all --profile mnist", "--profile"),
        Case("corrupt images -o new --all --pad 4", "larger than it shall be padded to"),
        Case("corrupt images -o new --corruption fog:1 --corruption fog", "named once"),
        Case("corrupt images -o new --corruption fog:1 --corruption contrast --as arrays", "as many severities"),
        Case("corrupt images --sheet new --all --image 48", "no such image"),
        Case("inspect", "<model>"),
        Case("inspect model --format xml", "--format"),
        Case("inspect model --device tpu", "--device is"),
        Case("inspect model --device cuda:x", "--device is"),
        Case("inspect model --threads 0", "--threads is"),
        Case("inspect model --threads 999999999999999999999", "--threads"),
        Case("generate model -p a --device cuda", "not available"),
        Case("generate model -p a -n 0", "--tokens is"),
        Case("generate model -p a -n -5", "-n"),
        Case("generate model -p a -n 1e9", "-n"),
        Case("generate model -p a --compare", "--compare needs a --patch"),
        Case("generate model -p a --patch good.fix --scale nan", "--scale"),
        Case("generate model -p ''", "prompt"),
        Case("generate short -p aaaaaaaaaaaa", "does not fit"),
        Case("generate large-tokenizer -p a", "a token is not in the vocabulary"),
        Case("generate silent-tokenizer -p a", "the prompt does not fit"),
        Case("generate model", "--prompt"),
        Case("repair model", "either --prompt and --expected, or --failures"),
        Case("repair model -p a", "go together"),
        Case("repair model -p a -e b --failures key.jsonl", "either"),
        Case("repair model -p '' -e b", "--prompt is empty"),
        Case("repair model -p a -e ''", "--expected is empty"),
        Case("repair model -p a -e b --method magic", "--method"),
        Case("repair model -p a -e b --margin -1", "--margin"),
        Case("repair model -p a -e b --batch 0", "--batch is at least 1"),
        Case("repair model -p a -e b --budget neurons", "--budget"),
        Case("repair model -p a -e b --budget norm=-1", "--budget"),
        Case("repair model -p a -e b --budget neurons=1.5", "--budget"),
        Case("repair model --failures key.jsonl --subject a", "--subject goes with --prompt"),
        Case("repair model -p a -e b --margin=-1", "--margin is"),
        Case("repair model -p a -e b --margin nan", "--margin is"),
        Case("repair model -p a -e b --method mint --factor 0", "--factor is"),
        Case("repair model -p a -e b --max-divergence=-1", "--max-divergence"),
        Case("repair model -p a -e b --max-divergence nan", "--max-divergence"),
        Case("repair model -p a -e b --max-changed 2", "--max-changed is 0...1"),
        Case("repair model -p a -e b --max-perplexity 0", "--max-perplexity is above 0"),
        Case("parity model", "--golden"),
        Case("parity model --golden text.gguf --tolerance nan", "--tolerance"),
        Case("parity model --golden text.gguf --tolerance=-1", "--tolerance"),
        Case("show", "<patch>"),
        Case("check model", "patch"),
        Case("apply model good.fix", "--output"),
        Case("apply model good.fix -o new --scale inf", "--scale"),
        Case("revert patched 0123 -o new", "the model has no such patch"),
        Case("revert model 0123 -o new", "the model has no such patch"),
        Case("revert patched '' -o new", "the model has no such patch"),
        Case("diff model", "<second>"),
        Case("diff model other --rank 2", "--rank is 0 or more"),
        Case("diff model other --top=-1", "--top is 0...1000"),
        Case("extract model other", "--output"),
        Case("extract model other -o new --bits 17", "--bits is 1...16"),
        Case("extract model other -o new --bits 4 --sparse 0.1", "Choose one of"),
        Case("extract model other -o new --sparse 0", "impossible density"),
        Case("extract model other -o new --low-rank 1", "impossible tolerance"),
        Case("combine good.fix -o new", "at least two"),
        Case("combine good.fix small.fix -o new --mode magic", "--mode"),
        Case("combine good.fix small.fix -o new --mode ties --density 0", "impossible density"),
        Case("combine good.fix small.fix -o new --mode dare --drop 1", "impossible probability"),
        Case("combine good.fix small.fix -o new --mode dare --seed x", "--seed"),
        Case("export good.fix --to onnx -o new", "--to"),
        Case("export good.fix --to gguf -o new", "--to gguf needs --base"),
        Case("export good.fix --to peft -o new --scale 0", "--scale is"),
        Case("import good.fix -o new", "--base"),
        Case("minimize good.fix -o new", "--check"),
        Case("bisect patched", "--check"),
        Case("convert model -o new --dtype f64", "--dtype"),
        Case("convert model -o new --shard-size 0", "--shard-size"),
        Case("convert model -o new --shard-size 9999999999GB", "--shard-size"),
        Case("transfer model other -o new", "<target>"),
        Case("transfer model other model -o new --scale nan", "--scale")
    ]

    static let refusals: [Case] = [
        Case("check other good.fix", "this is not the model that the patch was made for"),
        Case("apply other good.fix -o new", "this is not the model"),
        Case("generate other -p a --patch good.fix", "this is not the model"),
        Case("generate vast -p a", "vast: the model does not fit into memory (expected 4398.0 GB"),
        Case("apply patched good.fix -o new", "the model has this patch already"),
        Case("apply model good.fix good.fix -o new", "the model has this patch already"),
        Case("apply model good.fix -o model", "over or into"),
        Case("apply model good.fix -o model/new", "over or into"),
        Case("apply model good.fix -o other", "already"),
        Case("apply model good.fix -o lists --force", "not a model"),
        Case("apply model huge.fix -o new --scale 1e9", "too large for its type"),
        Case("check drifted small.fix", "changed since"),
        Case("revert drifted ID -o new", "changed since"),
        Case("train images -o other", "already"),
        Case("train images -o lists --force --init classifier --epochs 1 --format quiet", "not a model"),
        Case("classify classifier images --patch good.fix", "this is not the model"),
        Case("corrupt images -o other --corruption fog:1", "already"),
        Case("corrupt images -o other --corruption fog:1 --force", "only corrupted sets are replaced"),
        Case("corrupt images --sheet good.fix --corruption fog:1", "good.fix: this file is there already"),
        Case("convert model -o other", "already"),
        Case("convert patched --dtype bf16 -o new", "patches is not converted"),
        Case("extract model model -o new", "the patch changes nothing"),
        Case("extract patched other -o new", "the base has patches itself"),
        Case("extract model missing -o new", "v_proj"),
        Case("extract model other -o good.fix", "there already"),
        Case("combine good.fix good.fix -o new", "already"),
        Case("combine good.fix small.fix -o good.fix", "there already"),
        Case("export dense.fix --to peft -o new", "adapters change matrices only"),
        Case("export good.fix --to mlx -o model", "already"),
        Case("import plain.fix --base model -o new", "changes nothing"),
        Case("import stray.fix --base model -o new", "no such tensor"),
        Case("minimize good.fix --check false -o new", "the check fails with the whole patch"),
        Case("bisect model --check true", "there is nothing to find"),
        Case("bisect patched --check true", "holds with all patches"),
        Case("bisect patched --check false", "fails without any patch"),
        Case("transfer model model other -o new", "do not differ"),
        Case("transfer model other patched -o new", "has patches itself"),
        Case("transfer model other missing -o new", "v_proj"),
        Case("transfer model other model -o model", "over or into"),
        Case("transfer model other model -o other", "already"),
        Case("convert model -o good.fix --force", "not a model"),
        Case("repair model -p a -e b -o ''", "name a file"),
        Case("repair model -p a -e b -o good.fix", "good.fix: this file is there already"),
        Case("repair model -p a -e b --report good.fix", "good.fix: this file is there already")
    ]

    static let failures: [Case] = [
        Case("apply model good.fix -o nowhere/new", "nowhere/new: cannot be created"),
        Case("convert model -o /dev/null/new", "/dev/null/new: cannot be created"),
        Case("extract model other -o nowhere/new", "no such directory"),
        Case("combine good.fix small.fix -o nowhere/new", "no such directory"),
        Case("transfer model other model -o nowhere/new", "nowhere/new: cannot be created"),
        Case("repair model -p a -e b -o nowhere/fix --format quiet", "nowhere/fix"),
        Case("repair model -p a -e b --report /dev/null/page.html --format quiet", "/dev/null/page.html")
    ]
}
