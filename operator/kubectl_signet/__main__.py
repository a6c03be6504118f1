from kubectl_signet.commands import main

main()
