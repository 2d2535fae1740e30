/// The words of ``IOI``. Those at even places are for training, the others are held out.
enum IOIWords {
    static let trainTemplates = [
        "When {A} and {B} had finished their work at the {PLACE}, {S} gave the {OBJECT} to",
        "After {A} and {B} came back from the {PLACE}, {S} handed the {OBJECT} to",
        "While {A} and {B} were waiting near the {PLACE}, {S} showed the {OBJECT} to",
        "Yesterday {A} and {B} walked past the {PLACE}, and {S} brought the {OBJECT} to"
    ]

    static let heldOutTemplates = [
        "Then {A} and {B} met again at the {PLACE}, and {S} decided to give the {OBJECT} to",
        "Once {A} and {B} had left the {PLACE} together, {S} passed the {OBJECT} to"
    ]

    static let names = words(
        """
        Aaron Abigail Adam Adrian Albert Alex Alexander Alice Alison Amanda Amber Amy Andrea Andrew Angela Ann Anna
        Anne Anthony Arthur Ashley Barbara Benjamin Beth Blake Bob Brandon Brian Bruce Calvin Carl Carol Caroline
        Catherine Charles Charlotte Chloe Chris Christian Christine Claire Clara Claude Colin Craig Crystal Cynthia
        Dale Daniel David Dean Deborah Dennis Diana Diane Donald Dorothy Douglas Dylan Edgar Edward Eleanor Elijah
        Elizabeth Ellen Emily Emma Eric Ethan Eugene Eva Evelyn Felix Fiona Florence Frances Francis Frank Frederick
        Gary George Gloria Gordon Grace Graham Greg Hannah Harold Harry Heather Helen Henry Howard Hugh Ian Irene
        Isaac Isabella Jack Jackson Jacob Jake James Jane Janet Jason Jean Jeff Jennifer Jeremy Jerry Jessica Jim
        Joan Joel John Jonathan Joseph Joshua Joyce Juan Judith Julia Julian Karen Karl Kate Katherine Keith Kelly
        Kenneth Kevin Kim Kyle Larry Laura Lauren Lawrence Leo Leonard Leslie Lewis Liam Lily Linda Lisa Louis
        Louise Lucas Lucy Luke Lynn Marcus Margaret Maria Marie Mark Martha Martin Mary Matthew Max Megan Melissa
        Michael Michelle Mike Molly Monica Nancy Natalie Nathan Neil Nicholas Nicole Nina Nora Norman Oliver Olivia
        Oscar Pamela Patricia Patrick Paul Peter Philip Rachel Ralph Raymond Rebecca Richard Robert Roger Ronald
        Rosa Ross Roy Russell Ruth Ryan Sally Sam Samuel Sandra Sara Sarah Scott Sean Sharon Simon Sophia Sophie
        Stephanie Stephen Steve Steven Stuart Susan Sylvia Teresa Terry Theodore Theresa Thomas Timothy Todd Tom
        Tony Tracy Tyler Vanessa Victor Victoria Vincent Violet Virginia Walter Warren Wayne Wendy William Zachary
        Zoe
        """)

    static let places = words(
        """
        airport apartment bakery bank bar barn basement bay beach bridge cabin cafe camp castle cathedral cave
        cellar chapel church cinema clinic club coast college cottage court dock factory fair farm ferry festival
        field forest fountain gallery garage garden gate hall harbor hill hospital hotel house inn island kitchen
        laboratory lake library lodge mall market meadow mill mine mosque museum office orchard palace park pharmacy
        pier plaza pool port pub ranch restaurant river school shop square stable stadium station store studio
        temple tower town valley village wall workshop zoo
        """)

    static let objects = words(
        """
        album apple axe bag ball banana basket bell belt blanket boat book boot bottle bowl box bracelet bread brush
        bucket button cake camera candle cap card carpet chain chair clock coat coin cup diary doll dress drill drum
        envelope fan flag flower folder fork game gift glass glove guitar hammer hat helmet jacket jar key knife
        ladder lamp letter lock magazine map mask medal mirror mug necklace needle newspaper notebook novel orange
        painting paper pen pencil phone photograph piano pillow pipe plant plate poem postcard present puzzle radio
        ribbon ring rope rose ruler scarf shirt shoe snack spoon stamp sword telescope tent ticket towel toy tray
        umbrella vase violin wallet watch wheel whistle
        """)

    private static func words(_ text: String) -> [String] {
        text.split(whereSeparator: \.isWhitespace).map(String.init)
    }
}
